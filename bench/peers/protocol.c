/* The C side of the line protocol: reads commands, times chunks of steps, answers. */
#define _POSIX_C_SOURCE 200809L
#include "protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_OPEN = 64, MAX_CHUNKS = 4096 };

int protocol_threads = 1;

typedef struct session {
    problem *p;
    const competitor *c; /* NULL: not done */
    void *state;
} session;

typedef const competitor *chooser(const problem *p);

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Steps in a chunk of about one millisecond (at least one step), found by doubling. */
static int chunk_size(const competitor *c, void *state) {
    for (int n = 1;; n *= 2) {
        double start = now_us();
        c->steps(state, n);
        double took = now_us() - start;
        if (took >= 500 || n >= 1 << 20)
            return n;
    }
}

static void run(const competitor *c, void *state, double budget_ms) {
    static double per_step[MAX_CHUNKS];
    c->reset(state);
    c->select(state, 0);
    c->steps(state, 3);
    int n = chunk_size(c, state), chunks = 0;
    double start = now_us();
    do {
        double begin = now_us();
        c->steps(state, n);
        per_step[chunks++] = (now_us() - begin) / n;
    } while (chunks < MAX_CHUNKS && (chunks < 3 || now_us() - start < budget_ms * 1e3));
    qsort(per_step, (size_t)chunks, sizeof *per_step, ascending);
    printf("time %.5f %.5f %d\n", per_step[0], per_step[chunks / 2], chunks);
}

static void check(const competitor *c, const problem *p, void *state, int n_steps) {
    c->reset(state);
    printf("loss");
    for (int i = 0; i < n_steps; i++) {
        c->select(state, i % p->n_batches);
        c->steps(state, 1);
        printf(" %.9g", c->loss(state));
    }
    printf("\n");
}

/* The open session of that workload, made on first use. */
static session *find(session *sessions, chooser *choose, const char *dir, const char *name) {
    int i = 0;
    for (; i < MAX_OPEN && sessions[i].p; i++)
        if (strcmp(sessions[i].p->name, name) == 0)
            return &sessions[i];
    if (i == MAX_OPEN || !(sessions[i].p = problem_read(dir, name)))
        return NULL;
    sessions[i].c = choose(sessions[i].p);
    if (sessions[i].c)
        sessions[i].state = sessions[i].c->open(sessions[i].p);
    return &sessions[i];
}

static void answer(session *sessions, chooser *choose, const char *dir, const char *line) {
    char verb[16] = "", name[32] = "";
    double amount = 0;
    sscanf(line, "%15s %31s %lf", verb, name, &amount);
    session *s = find(sessions, choose, dir, name);
    if (!s)
        printf("error no problem file for %s\n", name);
    else if (!s->c)
        printf("skip not done by this competitor\n");
    else if (!s->state)
        printf("error cannot set up %s\n", name);
    else if (strcmp(verb, "check") == 0)
        check(s->c, s->p, s->state, (int)amount);
    else if (strcmp(verb, "run") == 0)
        run(s->c, s->state, amount);
    else
        printf("error unknown command\n");
    fflush(stdout);
}

int protocol_serve(int argc, char **argv, chooser *choose) {
    session sessions[MAX_OPEN] = {{0}};
    const char *dir = ".";
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--data") == 0)
            dir = argv[i + 1];
        else if (strcmp(argv[i], "--threads") == 0)
            protocol_threads = atoi(argv[i + 1]);
    }
    char line[256];
    while (fgets(line, sizeof line, stdin) && strncmp(line, "quit", 4) != 0)
        answer(sessions, choose, dir, line);
    for (int i = 0; i < MAX_OPEN && sessions[i].p; i++) {
        if (sessions[i].state)
            sessions[i].c->close(sessions[i].state);
        problem_free(sessions[i].p);
    }
    return 0;
}

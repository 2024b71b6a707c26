/* The C side of the line protocol: reads commands, does or times steps, answers. */
#include "protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timing.h"

enum { MAX_OPEN = 64 };

int protocol_threads = 1;

typedef struct session {
    problem *p;
    const competitor *c; /* NULL: not done */
    void *state;
} session;

typedef const competitor *chooser(const problem *p);

static void run(const competitor *c, void *state, double budget_ms) {
    c->reset(state);
    c->select(state, 0);
    print_time(c->steps, state, budget_ms);
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

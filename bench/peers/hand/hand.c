/* The hand-written competitor: what an expert writes for each workload without a framework.
 *
 * Frozen: it is the unit in which everything else is measured.
 */
#include "hand.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

typedef struct choice {
    const competitor *loop;
    void *state;
} choice;

static const competitor *choose(const problem *p)
{
    static const int xor_size[] = {2, 4, 1};
    if (p->hvp)
        return p->f64 && p->n_layers == 2 && p->batch == 1 ? &hvp_f64 : NULL;
    if (p->n_layers == 2 && p->batch == 4 && memcmp(p->size, xor_size, sizeof xor_size) == 0)
        return &xor_f32;
    if (p->batch <= THIN_BATCH && !p->f64 && p->optimizer != ADAM)
        return &thin_f32;
    return p->f64 ? &mlp_f64 : &mlp_f32;
}

static void *open_choice(const problem *p)
{
    const competitor *loop = choose(p);
    if (!loop)
        return NULL;
    openblas_set_num_threads(protocol_threads);
    choice *c = malloc(sizeof *c);
    *c = (choice){loop, loop->open(p)};
    return c;
}

static void reset(void *state)
{
    choice *c = state;
    c->loop->reset(c->state);
}

static void select_batch(void *state, int batch)
{
    choice *c = state;
    c->loop->select(c->state, batch);
}

static void steps(void *state, int n)
{
    choice *c = state;
    c->loop->steps(c->state, n);
}

static double loss(void *state)
{
    choice *c = state;
    return c->loop->loss(c->state);
}

static void close_choice(void *state)
{
    choice *c = state;
    c->loop->close(c->state);
    free(c);
}

int main(int argc, char **argv)
{
    static const competitor hand = {open_choice, reset, select_batch, steps, loss, close_choice};
    return protocol_serve(argc, argv, &hand);
}

/* Ops of a short chain that have steps (kernel/short.h) and follow one another: what one hands to the
 * next stays in a register, as does a value that both the next one and the one after it read. All
 * others are stored, and read where they are. */
#include "short.h"

struct bpi_short_flow {
    int first, end; /* ops of the chain */
    int steps;
    bpi_short_step *step;
    uint8_t *value; /* of each step: what it reads or writes */
};

enum { STEPS_OF_OP = 5 }; /* at most: get the operand, keep it, the op, a store */

int bpi_short_flow_end(const bpi_chain *c, const bpi_short *kernels, bp_dtype dtype, int first) {
    int k = first;
    while (k < c->ops && c->op[k].dtype == dtype &&
           bpi_short_step_find(kernels, c->op[k].slot, BPI_PIPE_FIRST))
        k++;
    return k;
}

static bool reads(const bpi_chain_op *op, int value) {
    return op->x[0] == value || (op->inputs == 2 && op->x[1] == value);
}

static void add_step(bpi_short_flow *f, bpi_pipe_fn *run, int value) {
    f->value[f->steps] = (uint8_t)value;
    f->step[f->steps++].run = run;
}

/* What the registers have: the value at hand, and the one that is kept; -1: none. */
typedef struct held {
    int now, kept;
} held;

/* Makes an operand of `op` the value at hand, whichever is the least trouble. */
static void get_operand(bpi_short_flow *f, const bpi_short *kernels, const bpi_chain_op *op,
                        held *h) {
    if (h->now >= 0 && reads(op, h->now))
        return;
    if (h->kept >= 0 && reads(op, h->kept)) {
        add_step(f, kernels->take_back, h->kept);
        h->now = h->kept;
        return;
    }
    add_step(f, kernels->load, op->x[0]);
    h->now = op->x[0];
}

static void add_op(bpi_short_flow *f, const bpi_chain *c, const bpi_short *kernels, int k,
                   held *h) {
    const bpi_chain_op *op = &c->op[k], *next = k + 1 < f->end ? op + 1 : NULL;
    const int value = c->inputs + k;
    get_operand(f, kernels, op, h);
    if (next && reads(next, h->now) && !reads(next, value) && h->kept != h->now) {
        add_step(f, kernels->keep, h->now);
        h->kept = h->now;
    }
    const int second = op->x[0] != h->now;
    const int other = op->inputs == 2 ? op->x[1 - second] : h->now;
    add_step(f, bpi_short_step_find(kernels, op->slot, 1 << second), other);
    h->now = value;
    const bool handed_on = next && op->output < 0 && reads(next, value);
    if (!next)
        add_step(f, kernels->finish, value);
    else if (!handed_on || bpi_chain_reads(c, value) != 1)
        add_step(f, kernels->store, value);
}

bpi_short_flow *bpi_short_flow_of(const bpi_chain *c, const bpi_short *kernels, int first, int end,
                                  bpi_arena *memory) {
    const size_t most = (size_t)(end - first) * STEPS_OF_OP;
    bpi_short_flow *f = bpi_arena_alloc(memory, sizeof *f);
    bpi_short_step *step = bpi_arena_alloc(memory, most * sizeof *step);
    uint8_t *value = bpi_arena_alloc(memory, most);
    if (!f || !step || !value)
        return NULL;
    *f = (bpi_short_flow){.first = first, .end = end, .step = step, .value = value};
    held h = {-1, -1};
    for (int k = first; k < end; k++)
        add_op(f, c, kernels, k, &h);
    return f;
}

const bpi_short_step *bpi_short_flow_point(const bpi_short_flow *f, void *const *at) {
    for (int k = 0; k < f->steps; k++)
        f->step[k].at = at[f->value[k]];
    return f->step;
}

int bpi_short_flow_ops(const bpi_short_flow *f) { return f->end - f->first; }

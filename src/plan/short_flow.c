/* Ops of a short chain that have steps (kernel/short.h) and follow one another: what one hands to
 * the next stays in a register, as does a value that both the next one and the one after it read.
 * All others are stored, and read where they are. */
#include <string.h>

#include "short.h"

enum { MOST_STEPS = 5 * BPI_CHAIN_OPS }; /* of an op: get the operand, keep it, the op, a store */

struct bpi_short_flow {
    int first, end; /* ops of the chain */
    int steps;
    bpi_short_step *step;
    uint8_t *value; /* of each step: what it reads or writes */
};

/* A flow that is being made: also the step of each op whose first operand is at hand. */
typedef struct making {
    const bpi_chain *c;
    const bpi_short *kernels;
    bpi_short_flow flow;
    int now, kept; /* the values in the registers; -1: none */
    bpi_short_step step[MOST_STEPS];
    uint8_t value[MOST_STEPS];
    bpi_pipe_fn *run[BPI_CHAIN_OPS];
} making;

static bpi_pipe_fn *step_of(const making *m, int k, int group) {
    return bpi_pipe_find(&m->kernels->ops, m->c->op[k].slot, group, false);
}

/* Finds the steps of the ops from `first` on that have one, as far as they follow one another. */
static void find_steps(making *m, const int8_t *scalar, int first) {
    const bpi_chain *c = m->c;
    int k = first;
    while (k < c->ops && bp_dtype_is_float(c->op[k].dtype) && scalar[k] < 0 &&
           (m->run[k] = step_of(m, k, BPI_PIPE_FIRST)))
        k++;
    m->flow.first = first;
    m->flow.end = k;
}

static bool reads(const bpi_chain_op *op, int value) {
    return op->x[0] == value || (op->inputs == 2 && op->x[1] == value);
}

static void add_step(making *m, bpi_pipe_fn *run, int value) {
    m->value[m->flow.steps] = (uint8_t)value;
    m->step[m->flow.steps++].run = run;
}

/* Makes an operand of `op` the value at hand, whichever is the least trouble. */
static void get_operand(making *m, const bpi_chain_op *op) {
    if (m->now >= 0 && reads(op, m->now))
        return;
    if (m->kept >= 0 && reads(op, m->kept)) {
        add_step(m, m->kernels->take_back, m->kept);
        m->now = m->kept;
        return;
    }
    add_step(m, m->kernels->load, op->x[0]);
    m->now = op->x[0];
}

static void add_op(making *m, int k) {
    const bpi_chain_op *op = &m->c->op[k], *next = k + 1 < m->flow.end ? op + 1 : NULL;
    const int value = m->c->inputs + k;
    get_operand(m, op);
    if (next && reads(next, m->now) && !reads(next, value) && m->kept != m->now) {
        add_step(m, m->kernels->keep, m->now);
        m->kept = m->now;
    }
    const bool second = op->x[0] != m->now;
    const int other = op->inputs == 2 ? op->x[1 - second] : m->now;
    add_step(m, second ? step_of(m, k, BPI_PIPE_SECOND) : m->run[k], other);
    m->now = value;
    const bool handed_on = next && op->output < 0 && reads(next, value);
    if (!next)
        add_step(m, m->kernels->finish, value);
    else if (!handed_on || m->c->reads[value] != 1)
        add_step(m, m->kernels->store, value);
}

/* A copy that lasts, or NULL. */
static bpi_short_flow *keep_flow(const making *m, bpi_arena *memory) {
    const size_t steps = (size_t)m->flow.steps;
    bpi_short_flow *f = bpi_arena_alloc(memory, sizeof *f);
    bpi_short_step *step = bpi_arena_alloc(memory, steps * sizeof *step);
    uint8_t *value = bpi_arena_alloc(memory, steps);
    if (!f || !step || !value)
        return NULL;
    *f = m->flow;
    f->step = memcpy(step, m->step, steps * sizeof *step);
    f->value = memcpy(value, m->value, steps);
    return f;
}

bool bpi_short_flow_of(const bpi_chain *c, const bpi_short *kernels, const int8_t *scalar,
                       int first, bpi_arena *memory, bpi_short_flow **flow) {
    making m;
    m.c = c;
    m.kernels = kernels;
    m.flow.steps = 0;
    m.now = m.kept = -1;
    *flow = NULL;
    find_steps(&m, scalar, first);
    if (m.flow.end - first < 2)
        return true;
    for (int k = first; k < m.flow.end; k++)
        add_op(&m, k);
    *flow = keep_flow(&m, memory);
    return *flow != NULL;
}

const bpi_short_step *bpi_short_flow_point(const bpi_short_flow *f, void *const *at) {
    for (int k = 0; k < f->steps; k++)
        f->step[k].at = at[f->value[k]];
    return f->step;
}

int bpi_short_flow_ops(const bpi_short_flow *f) { return f->end - f->first; }

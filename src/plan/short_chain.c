/* The short form of a chain: its domain is one block of a few vectors. Kernels are given whole
 * vectors, so that none of them has a part to load or store: what lies in memory of the plan or of
 * a variable has room for that, everything else is copied first. Values that stay inside are in
 * registers (short_flow.c), or in buffers of a room that all chains share. A scaled term that is
 * added is rounded once. */
#include "short.h"

/* A call with all that it needs. */
typedef struct short_call {
    bpi_map_fn *run;
    size_t n;
    const void *x[3];
    void *y;
    const double *attr;
} short_call;

/* An operand that is broadcast in another way than as a scalar. */
typedef struct short_rows {
    int input;
    void *to;
} short_rows;

/* How the ops come to read an operand: it stands in memory as they want it; a call makes it in a
 * buffer, or reads it as a scalar; it is spread in a buffer row by row; or it is a constant, which
 * was made with the plan. */
typedef struct short_operand {
    enum { AS_IT_IS, BY_CALL, AS_SCALAR, BY_ROWS, MADE } how;
    union {
        const void **address; /* in the call: BY_CALL, AS_SCALAR */
        void *made;
    } at;
} short_operand;

/* First operands are spread or copied to where the ops read them; then come the ops, then sums. */
typedef struct bpi_short_chain {
    const bpi_chain *chain;
    const bpi_short *kernels;
    size_t count, n; /* elements of the domain, and of the vectors that hold them */
    int rows, calls, first_op;
    short_rows *row;
    short_call *call;
    short_operand *operand;
    int8_t *scalar; /* of an op that only scales what the next one adds: its operand; -1: none */
    bpi_short_flow **flow; /* of an op: the flow that begins with it, or NULL */
} bpi_short_chain;

/* ---- which chains ---------------------------------------------------------------------------- */

/* The dtype of floats that have the size of all values, in whose vectors all kinds of elements can
 * be moved; BP_DTYPE_COUNT where there is none. */
static bp_dtype common_dtype(const bpi_chain *c) {
    const size_t item = c->op[0].item;
    bool same = true;
    for (int k = 0; k < c->inputs; k++)
        same = same && c->feed[k].item == item;
    for (int k = 0; k < c->ops; k++)
        same = same && c->op[k].item == item;
    return !same ? BP_DTYPE_COUNT : item == 4 ? BP_F32 : item == 8 ? BP_F64 : BP_DTYPE_COUNT;
}

/* From a few hundred bytes on the calls no longer count. */
static bool is_short(const bpi_chain *c) {
    enum { BYTES = 1024 };
    return c->count > 0 && c->count <= c->block && c->count * c->op[0].item <= BYTES;
}

/* ---- scaled terms ---------------------------------------------------------------------------- */

static bool is_tight(const bpi_program *p, const bpi_step *step, int value) {
    return bpi_root_of(p, step->x[value])->tight;
}

static bool is_one_element(const bpi_program *p, const bpi_step *step, int value) {
    return value < step->inputs && bp_shape_count(p->regs[step->x[value]].type->shape) == 1;
}

/* The scalar by which op `k` only scales what the next one adds or subtracts, as the number of its
 * operand; -1 where it does something else, or the scalar is read again. */
static int8_t scalar_of(const bpi_program *p, const bpi_step *step, bp_dtype dtype, int k) {
    const bpi_chain *c = step->chain;
    const bpi_chain_op *op = &c->op[k], *next = op + 1;
    const int value = c->inputs + k;
    if (k + 1 == c->ops || op->map != bpi_map(BPI_MAP_MUL, dtype) || op->output >= 0 ||
        c->reads[value] != 1)
        return -1;
    const bool add = next->map == bpi_map(BPI_MAP_ADD, dtype) && next->x[0] == value;
    const bool last =
        (next->map == bpi_map(BPI_MAP_ADD, dtype) || next->map == bpi_map(BPI_MAP_SUB, dtype)) &&
        next->x[1] == value;
    int8_t scalar = !is_one_element(p, step, op->x[0]);
    if (!scalar && is_one_element(p, step, op->x[1])) /* what has room can be the term as it is */
        scalar = is_tight(p, step, op->x[1]);
    bool alone = is_one_element(p, step, op->x[scalar]) && c->reads[op->x[scalar]] == 1;
    return (add || last) && alone ? scalar : -1;
}

/* ---- making it ------------------------------------------------------------------------------- */

static bpi_short_chain *new_short(bpi_program *p, const bpi_chain *c, const bpi_short *kernels,
                                  bp_dtype dtype) {
    const size_t count = (size_t)c->count;
    bpi_short_chain *s = bpi_arena_alloc(&p->memory, sizeof *s);
    short_operand *operand = bpi_arena_alloc(&p->memory, (size_t)c->inputs * sizeof *operand);
    int8_t *scalar = bpi_arena_alloc(&p->memory, (size_t)c->ops);
    bpi_short_flow **flow = bpi_arena_alloc(&p->memory, (size_t)c->ops * sizeof *flow);
    if (!s || !operand || !scalar || !flow)
        return NULL;
    for (int k = 0; k < c->ops; k++)
        flow[k] = NULL;
    *s = (bpi_short_chain){.chain = c,
                           .kernels = kernels,
                           .count = count,
                           .n = bpi_short_vectors(kernels, dtype, count),
                           .operand = operand,
                           .scalar = scalar,
                           .flow = flow};
    return s;
}

/* How the ops come to read operand `k`, unless as a scalar. */
static int how_of(const bpi_program *p, const bpi_step *step, int k) {
    const bpi_reg *root = bpi_root_of(p, step->x[k]);
    const bool whole = step->chain->feed[k].kind == BPI_FEED_WHOLE;
    const bool scalar = is_one_element(p, step, k);
    if (whole && !is_tight(p, step, k))
        return AS_IT_IS;
    if (scalar && root->home == BPI_HOME_CONSTANT)
        return MADE;
    return whole || scalar ? BY_CALL : BY_ROWS;
}

/* Finds out how every value is come by, and makes room for the calls that it takes. */
static bool make_room(bpi_program *p, const bpi_step *step, bpi_short_chain *s, bp_dtype dtype) {
    const bpi_chain *c = s->chain;
    size_t calls = (size_t)(c->ops + c->sums), rows = 0;
    for (int k = 0; k < c->inputs; k++)
        s->operand[k].how = how_of(p, step, k);
    for (int k = 0; k < c->ops; k++) {
        s->scalar[k] = scalar_of(p, step, dtype, k);
        if (s->scalar[k] >= 0) {
            s->operand[c->op[k].x[s->scalar[k]]].how = AS_SCALAR;
            calls--;
        }
    }
    for (int k = 0; k < c->inputs; k++) {
        calls += s->operand[k].how == BY_CALL;
        rows += s->operand[k].how == BY_ROWS;
    }
    s->row = bpi_arena_alloc(&p->memory, rows * sizeof *s->row);
    s->call = bpi_arena_alloc(&p->memory, calls * sizeof *s->call);
    return s->row && s->call;
}

static short_call *add_call(bpi_short_chain *s, bpi_map_fn *run, size_t n, const double *attr) {
    short_call *call = &s->call[s->calls++];
    *call = (short_call){.run = run, .n = n, .attr = attr};
    return call;
}

/* Spreads a constant for good. */
static bool make_constant(bpi_program *p, const bpi_short_chain *s, const bpi_reg *root,
                          short_operand *operand) {
    char *room = bpi_arena_alloc(&p->memory, s->n * s->chain->op[0].item + BPI_SHORT_VECTOR);
    if (!room)
        return false;
    room += -(uintptr_t)room % BPI_SHORT_VECTOR;
    s->kernels->spread(s->n, (const void *[]){p->constants + root->at.offset}, room, NULL);
    operand->at.made = room;
    return true;
}

/* Sees to it that the ops can read operand `k`. */
static bool add_operand(bpi_program *p, const bpi_step *step, bpi_short_chain *s, int k) {
    short_operand *operand = &s->operand[k];
    if (operand->how == MADE)
        return make_constant(p, s, bpi_root_of(p, step->x[k]), operand);
    if (operand->how == BY_ROWS)
        s->row[s->rows++].input = k;
    if (operand->how == BY_CALL) {
        bpi_map_fn *run = is_one_element(p, step, k) ? s->kernels->spread : s->kernels->copy;
        operand->at.address = &add_call(s, run, s->count, NULL)->x[0];
    }
    return true;
}

/* An op that only scales what the next one adds, and that one. */
static void add_scaled_op(bpi_short_chain *s, bp_dtype dtype, int k) {
    static const double plus = 1, minus = -1;
    const bpi_chain *c = s->chain;
    const bool subtract = c->op[k + 1].map == bpi_map(BPI_MAP_SUB, dtype);
    short_call *call = add_call(s, s->kernels->add_scaled, s->n, subtract ? &minus : &plus);
    s->operand[c->op[k].x[s->scalar[k]]].at.address = &call->x[2];
}

static bool add_ops(bpi_program *p, bpi_short_chain *s, bp_dtype dtype) {
    const bpi_chain *c = s->chain;
    s->first_op = s->calls;
    for (int k = 0; k < c->ops; k++) {
        if (!bpi_short_flow_of(c, s->kernels, s->scalar, k, &p->memory, &s->flow[k]))
            return false;
        if (s->flow[k]) {
            add_call(s, s->kernels->flow, s->n, NULL);
            k += bpi_short_flow_ops(s->flow[k]) - 1;
        } else if (s->scalar[k] < 0) {
            add_call(s, c->op[k].map, s->n, c->op[k].attr);
        } else {
            add_scaled_op(s, dtype, k++);
        }
    }
    return true;
}

static bool add_sum(bpi_program *p, bpi_short_chain *s, const bpi_chain_sum *sum) {
    double *width = bpi_arena_alloc(&p->memory, sizeof *width);
    if (!width)
        return false;
    *width = (double)sum->row;
    add_call(s, sum->row == 1 ? s->kernels->sum : s->kernels->sum_rows, s->count, width);
    return true;
}

static bool fill(bpi_program *p, const bpi_step *step, bpi_short_chain *s, bp_dtype dtype) {
    const bpi_chain *c = s->chain;
    bool ok = make_room(p, step, s, dtype);
    for (int k = 0; k < c->inputs && ok; k++)
        ok = add_operand(p, step, s, k);
    ok = ok && add_ops(p, s, dtype);
    for (int k = 0; k < c->sums && ok; k++)
        ok = add_sum(p, s, &c->sum[k]);
    return ok;
}

static inline bp_status run_one(const short_call *c) { return c->run(c->n, c->x, c->y, c->attr); }

/* A chain of a single call. */
static bp_status run_call(const bpi_instruction *self) {
    const bpi_short_chain *s = self->more;
    return run_one(s->call);
}

static bp_status run_calls(const bpi_instruction *self) {
    const bpi_short_chain *s = self->more;
    bp_status status = BP_OK;
    for (const short_call *c = s->call, *end = c + s->calls; c < end && status == BP_OK; c++)
        status = run_one(c);
    return status;
}

static bp_status run_chain(const bpi_instruction *self) {
    const bpi_short_chain *s = self->more;
    for (int k = 0; k < s->rows; k++) {
        const int input = s->row[k].input;
        bpi_chain_spread(s->chain, &s->chain->feed[input], self->operands[input], 0,
                         s->chain->count, s->row[k].to);
    }
    return run_calls(self);
}

bool bpi_short_chain_emit(bpi_program *p, const bpi_step *step, bpi_instruction *to, size_t *room) {
    const bpi_chain *c = step->chain;
    const bp_dtype dtype = common_dtype(c);
    const bpi_short *kernels = is_short(c) ? bpi_short_for(dtype) : NULL;
    if (!kernels)
        return true;
    bpi_short_chain *s = new_short(p, c, kernels, dtype);
    if (!s || !fill(p, step, s, dtype))
        return false;
    int buffers = c->buffers;
    for (int k = 0; k < c->inputs; k++)
        buffers += c->buffer[k] < 0 && s->operand[k].how == BY_CALL;
    const size_t bytes = (size_t)buffers * c->buffer_bytes;
    *room = bytes > *room ? bytes : *room;
    to->run = s->rows > 0 ? run_chain : s->calls > 1 ? run_calls : run_call;
    to->more = s;
    return true;
}

/* ---- pointing -------------------------------------------------------------------------------- */

bool bpi_is_short_chain(const bpi_instruction *code) {
    return code->run == run_chain || code->run == run_calls || code->run == run_call;
}

int bpi_short_chain_flows(const bpi_instruction *code) {
    const bpi_short_chain *s = bpi_is_short_chain(code) ? code->more : NULL;
    int count = 0;
    for (int k = 0; s && k < s->chain->ops; k++)
        count += s->flow[k] != NULL;
    return count;
}

const void **bpi_short_chain_operand(const bpi_instruction *code, int k) {
    const bpi_short_chain *s = code->more;
    const bool own = bpi_is_short_chain(code) &&
                     (s->operand[k].how == BY_CALL || s->operand[k].how == AS_SCALAR);
    return own ? s->operand[k].at.address : &code->operands[k];
}

/* Finds the place of every value, and where operands go that are made in every run. */
static void find_values(const bpi_instruction *code, char *room, void **at) {
    const bpi_short_chain *s = code->more;
    const bpi_chain *c = s->chain;
    int buffers = c->buffers;
    for (int k = 0; k < c->inputs; k++) {
        const short_operand *operand = &s->operand[k];
        at[k] = operand->how == MADE ? operand->at.made : (void *)code->operands[k];
        if (operand->how == BY_CALL || operand->how == BY_ROWS) {
            int buffer = c->buffer[k] < 0 ? buffers++ : c->buffer[k];
            at[k] = room + (size_t)buffer * c->buffer_bytes;
        }
    }
    for (int k = 0; k < c->ops; k++) {
        const int value = c->inputs + k, output = c->op[k].output;
        at[value] =
            output < 0 ? room + (size_t)c->buffer[value] * c->buffer_bytes : code->results[output];
    }
}

static void point_operands(const bpi_short_chain *s, void *const *at) {
    short_call *call = s->call;
    for (int k = 0, row = 0; k < s->chain->inputs; k++)
        if (s->operand[k].how == BY_CALL)
            (call++)->y = at[k];
        else if (s->operand[k].how == BY_ROWS)
            s->row[row++].to = at[k];
}

/* Points the call of the ops from `k` on, and returns how many these are. */
static int point_op(const bpi_short_chain *s, int k, void *const *at, short_call *call) {
    const bpi_chain *c = s->chain;
    const bpi_chain_op *op = &c->op[k], *next = op + 1;
    if (s->flow[k]) {
        call->x[0] = bpi_short_flow_point(s->flow[k], at);
        return bpi_short_flow_ops(s->flow[k]);
    }
    if (s->scalar[k] >= 0) {
        call->x[0] = at[op->x[1 - s->scalar[k]]];
        call->x[1] = at[next->x[next->x[0] == c->inputs + k]];
        call->y = at[c->inputs + k + 1];
        return 2;
    }
    for (int i = 0; i < op->inputs; i++)
        call->x[i] = at[op->x[i]];
    call->y = at[c->inputs + k];
    return 1;
}

static void point_ops(const bpi_instruction *code, void *const *at) {
    const bpi_short_chain *s = code->more;
    const bpi_chain *c = s->chain;
    short_call *call = s->call + s->first_op;
    for (int k = 0; k < c->ops; call++)
        k += point_op(s, k, at, call);
    for (int k = 0; k < c->sums; k++, call++) {
        call->x[0] = at[c->sum[k].value];
        call->y = code->results[c->sum[k].output];
    }
}

void bpi_short_chain_point(const bpi_instruction *code, char *room) {
    void *at[BPI_CHAIN_INPUTS + BPI_CHAIN_OPS];
    if (!bpi_is_short_chain(code))
        return;
    find_values(code, room, at);
    point_operands(code->more, at);
    point_ops(code, at);
}

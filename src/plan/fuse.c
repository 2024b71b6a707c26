/* Fusion: elementwise steps over one domain become one chain, with the sums that close them.
 *
 * A step joins the chain that computes one of its operands, or the latest one, when their results
 * have the same shape and everything else that it reads is there before the chain runs; it then
 * runs earlier than it was recorded, which changes nothing. A sum over everything, or over all
 * dimensions but the last, joins the chain that computes what it sums. Results that only the chain
 * itself reads get no memory. */
#include <string.h>

#include "chain.h"
#include "forms.h"
#include "inside.h"
#include "primitives.h"
#include "record.h"

/* A chain being made. Most are short, and there are many: members and inputs are lists. */
typedef struct group {
    const bp_type *type;  /* of the first result: its shape is the domain */
    uint32_t first, last; /* members, by fusion.following; it runs at the place of the first */
    uint32_t first_in, last_in; /* of its inputs, in fusion.inputs */
    uint8_t ops, sums, inputs;
} group;

/* An operand of a group that the group does not compute. */
typedef struct input {
    uint32_t reg, following; /* the next one of its group; BPI_NONE: none */
} input;

typedef struct fusion {
    bpi_program *p;
    group *groups;
    size_t group_count;
    bpi_uses *uses;      /* reads: without those by the group that computes the register */
    uint32_t *group_of;  /* by step; BPI_NONE: none */
    uint32_t *following; /* by step: the next member of its group; BPI_NONE: none */
    input *inputs;
    size_t input_count;
    uint8_t *op_of;  /* by step: which op of its group it is */
    bpi_forms forms; /* of chains */
    const int *threads;
} fusion;

static const bp_shape *domain(const group *g) { return &g->type->shape; }

/* ---- what may join --------------------------------------------------------------------------- */

static bool is_fusable_map(const bpi_program *p, const bpi_step *step) {
    return step->kind == BPI_STEP_MAP && !bpi_step_can_fail(p, step);
}

/* How many elements a sum leaves when it is one that a chain can make: 1, or the last dimension; 0
 * when it is not. */
static int64_t row_of_sum(const bpi_program *p, const bpi_step *step) {
    if (step->op != &bpi_op_sum || !bp_dtype_is_float(p->regs[step->y].type->dtype))
        return 0;
    const bp_shape *x = &p->regs[step->x[0]].type->shape;
    int64_t left = bpi_count(&p->regs[step->y].type->shape);
    if (left == 1 || bpi_count(x) == 0)
        return left == 1;
    const bp_attr *axes = &step->attr[0];
    unsigned summed = 0;
    for (int k = 0; k < axes->count; k++)
        summed |= 1u << (axes->as.list[k] < 0 ? axes->as.list[k] + x->rank : axes->as.list[k]);
    bool all_but_last = summed == (1u << (x->rank - 1)) - 1;
    return all_but_last && left == x->size[x->rank - 1] ? left : 0;
}

/* Tells whether what a register holds is there when a group runs, or is computed by
 * the group itself. */
static bool is_there(const fusion *f, const group *g, uint32_t reg, bool *own) {
    uint32_t maker = f->uses->of[f->p->root[reg]].maker;
    if (maker == BPI_NONE)
        return true;
    uint32_t other = f->group_of[maker];
    if (other == BPI_NONE)
        return maker < g->first;
    if (&f->groups[other] != g)
        return f->groups[other].first < g->first;
    /* an own result can be read as it is, not in another shape; an own sum is
     * there at the end only */
    *own = true;
    return f->p->steps[maker].kind == BPI_STEP_MAP &&
           bpi_same_shape(&f->p->regs[reg].type->shape, domain(g));
}

/* Which input of a group a register is; the number of inputs when it is none. */
static int number_of_input(const fusion *f, const group *g, uint32_t reg) {
    const bpi_program *p = f->p;
    int number = 0;
    for (uint32_t k = g->first_in; k != BPI_NONE; k = f->inputs[k].following, number++) {
        const uint32_t other = f->inputs[k].reg;
        if (p->root[other] == p->root[reg] && p->regs[other].type == p->regs[reg].type)
            break;
    }
    return number;
}

/* What is read once is no input yet. */
static bool has_input(const fusion *f, const group *g, uint32_t reg) {
    return f->uses->of[f->p->root[reg]].reads > 1 && number_of_input(f, g, reg) < g->inputs;
}

static bool map_fits(const fusion *f, const group *g, const bpi_step *step) {
    int more = 0;
    if (g->ops == BPI_CHAIN_OPS || !bpi_same_shape(&f->p->regs[step->y].type->shape, domain(g)))
        return false;
    for (int k = 0; k < step->inputs; k++) {
        bool own = false;
        if (!is_there(f, g, step->x[k], &own))
            return false;
        more += !own && !has_input(f, g, step->x[k]);
    }
    return g->inputs + more <= BPI_CHAIN_INPUTS;
}

/* A sum takes what an op of the group computes. */
static bool sum_fits(const fusion *f, const group *g, const bpi_step *step) {
    bool own = false;
    return g->sums < BPI_CHAIN_SUMS && row_of_sum(f->p, step) > 0 &&
           bpi_same_shape(&f->p->regs[step->x[0]].type->shape, domain(g)) &&
           is_there(f, g, step->x[0], &own) && own;
}

/* ---- joining --------------------------------------------------------------------------------- */

static void add_input(fusion *f, group *g, uint32_t reg) {
    uint32_t k = (uint32_t)f->input_count++;
    f->inputs[k] = (input){reg, BPI_NONE};
    if (g->inputs++ > 0)
        f->inputs[g->last_in].following = k;
    else
        g->first_in = k;
    g->last_in = k;
}

static void join(fusion *f, group *g, uint32_t s) {
    const bpi_step *step = &f->p->steps[s];
    bool sum = step->kind != BPI_STEP_MAP;
    if (g->last != s)
        f->following[g->last] = s;
    g->last = s;
    f->following[s] = BPI_NONE;
    f->op_of[s] = (uint8_t)g->ops;
    g->ops += !sum;
    g->sums += sum;
    for (int k = 0; k < step->inputs; k++) {
        bool own = false;
        is_there(f, g, step->x[k], &own);
        if (own)
            f->uses->of[f->p->root[step->x[k]]].reads--;
        else if (!has_input(f, g, step->x[k]))
            add_input(f, g, step->x[k]);
    }
    f->group_of[s] = (uint32_t)(g - f->groups);
}

/* The group that computes one of the operands of a step, the latest first; then
 * the latest of all. */
static group *find_group(const fusion *f, const bpi_step *step) {
    bool sum = step->kind != BPI_STEP_MAP;
    group *best = NULL;
    for (int k = 0; k < step->inputs; k++) {
        uint32_t maker = f->uses->of[f->p->root[step->x[k]]].maker;
        uint32_t number = maker == BPI_NONE ? BPI_NONE : f->group_of[maker];
        group *g = number == BPI_NONE ? NULL : &f->groups[number];
        if (g && (!best || g > best) && (sum ? sum_fits(f, g, step) : map_fits(f, g, step)))
            best = g;
    }
    if (best || sum || f->group_count == 0)
        return best;
    group *latest = &f->groups[f->group_count - 1];
    return map_fits(f, latest, step) ? latest : NULL;
}

static void form_groups(fusion *f) {
    for (uint32_t s = 0; s < f->p->step_count; s++) {
        const bpi_step *step = &f->p->steps[s];
        bool map = is_fusable_map(f->p, step);
        bool sum = step->kind == BPI_STEP_KERNEL && row_of_sum(f->p, step) > 0;
        group *g = map || sum ? find_group(f, step) : NULL;
        if (!g && map && f->group_of[s] == BPI_NONE) {
            g = &f->groups[f->group_count++];
            *g = (group){
                .type = f->p->regs[step->y].type, .first = s, .last = s, .first_in = BPI_NONE};
        }
        if (g)
            join(f, g, s);
    }
}

/* ---- making the chain ------------------------------------------------------------------------ */

/* The number of the value that a register is in a chain. */
static uint8_t value_of(const fusion *f, const group *g, uint32_t reg) {
    uint32_t maker = f->uses->of[f->p->root[reg]].maker;
    if (maker != BPI_NONE && f->group_of[maker] == g - f->groups)
        return (uint8_t)(g->inputs + f->op_of[maker]);
    return (uint8_t)number_of_input(f, g, reg);
}

/* Tells whether what a step of a group computes is read outside it. */
static bool is_read(const fusion *f, const bpi_step *step) {
    return f->uses->of[f->p->root[step->y]].reads > 0;
}

static bool fill_op(const fusion *f, const group *g, const bpi_step *step, bpi_chain_op *op) {
    const bpi_kernels *kernels = step->op->kernel;
    const bp_dtype dtype = f->p->regs[step->x[step->inputs - 1]].type->dtype;
    double *attr = NULL;
    if (step->attr) {
        attr = bpi_arena_alloc(&f->p->memory, BP_MAX_ATTRS * sizeof *attr);
        if (!attr)
            return false;
        bpi_map_attrs(step->op, step->attr, attr);
    }
    *op = (bpi_chain_op){.name = step->op->name,
                         .map = bpi_map(kernels->map, dtype),
                         .attr = attr,
                         .dtype = dtype,
                         .slot = (uint8_t)kernels->map,
                         .inputs = (uint8_t)step->inputs,
                         .item = (uint8_t)bp_dtype_size(f->p->regs[step->y].type->dtype),
                         .output = -1};
    for (int k = 0; k < step->inputs; k++)
        op->x[k] = value_of(f, g, step->x[k]);
    return true;
}

/* Allocates a chain with room for what a group has. */
static bpi_chain *new_chain(const fusion *f, const group *g) {
    bpi_program *p = f->p;
    size_t inputs = (size_t)g->inputs, ops = (size_t)g->ops, sums = (size_t)g->sums;
    bpi_chain *c = bpi_arena_alloc(&p->memory, sizeof *c);
    bpi_feed *feed = bpi_arena_alloc(&p->memory, inputs * sizeof *feed);
    bpi_chain_op *op = bpi_arena_alloc(&p->memory, ops * sizeof *op);
    bpi_chain_sum *sum = bpi_arena_alloc(&p->memory, sums * sizeof *sum);
    if (!c || !feed || !op || !sum)
        return NULL;
    *c =
        (bpi_chain){.inputs = g->inputs, .feed = feed, .op = op, .sum = sum, .threads = f->threads};
    return c;
}

static bool fill_chain(const fusion *f, const group *g, bpi_chain *c) {
    for (uint32_t s = g->first; s != BPI_NONE; s = f->following[s]) {
        const bpi_step *step = &f->p->steps[s];
        c->flops += bpi_step_flops(f->p, step);
        if (step->kind == BPI_STEP_MAP) {
            if (!fill_op(f, g, step, &c->op[c->ops]))
                return false;
            if (is_read(f, step))
                c->op[c->ops].output = (int8_t)c->outputs++;
            c->ops++;
        } else {
            c->sum[c->sums++] =
                (bpi_chain_sum){.value = value_of(f, g, step->x[0]),
                                .output = (uint8_t)c->outputs++,
                                .dtype = f->p->regs[step->y].type->dtype,
                                .add = bpi_map(BPI_MAP_ADD, f->p->regs[step->y].type->dtype),
                                .row = row_of_sum(f->p, step)};
        }
    }
    const bp_type *types[BPI_CHAIN_INPUTS];
    int count = 0;
    for (uint32_t k = g->first_in; k != BPI_NONE; k = f->inputs[k].following)
        types[count++] = f->p->regs[f->inputs[k].reg].type;
    return bpi_chain_prepare(c, types, domain(g), &f->p->memory);
}

static uint64_t word_of(const void *pointer) { return (uint64_t)(uintptr_t)pointer; }

enum { WORDS_OF_STEP = 3 + BP_MAX_ATTRS };

/* The words that the chain of a group follows from: the types of what it reads, and of every step
 * op, type, operands and attributes. */
static size_t key_of(const fusion *f, const group *g, uint64_t *key) {
    const bpi_reg *regs = f->p->regs;
    size_t words = 0;
    key[words++] = g->inputs;
    for (uint32_t k = g->first_in; k != BPI_NONE; k = f->inputs[k].following)
        key[words++] = word_of(regs[f->inputs[k].reg].type);
    for (uint32_t s = g->first; s != BPI_NONE; s = f->following[s]) {
        const bpi_step *step = &f->p->steps[s];
        const bool map = step->kind == BPI_STEP_MAP;
        key[words++] = word_of(step->op);
        key[words++] = word_of(regs[step->y].type);
        uint64_t *values = &key[words++];
        *values = is_read(f, step);
        for (int k = 0; k < step->inputs; k++)
            *values = *values << 8 | value_of(f, g, step->x[k]);
        if (!map || !step->attr)
            continue;
        double attr[BP_MAX_ATTRS];
        bpi_map_attrs(step->op, step->attr, attr);
        memcpy(&key[words], attr, sizeof attr);
        words += BP_MAX_ATTRS;
    }
    return words;
}

/* The chain of a group, made when it is the first like it; NULL without memory. */
static bpi_chain *shared_chain(fusion *f, const group *g) {
    uint64_t key[1 + BPI_CHAIN_INPUTS + (BPI_CHAIN_OPS + BPI_CHAIN_SUMS) * WORDS_OF_STEP];
    void **place = bpi_form_of(&f->forms, &f->p->memory, key, key_of(f, g, key));
    if (!place || *place)
        return place ? *place : NULL;
    bpi_chain *chain = new_chain(f, g);
    if (!chain || !fill_chain(f, g, chain))
        return NULL;
    return *place = chain;
}

/* The registers of what the chain hands out, in the order of its outputs: several get new ones,
 * side by side. */
static uint32_t make_outputs(fusion *f, const group *g, const bpi_chain *c) {
    uint32_t first = (uint32_t)f->p->reg_count;
    int op = 0;
    for (uint32_t s = g->first; s != BPI_NONE; s = f->following[s]) {
        const bpi_step *step = &f->p->steps[s];
        bool map = step->kind == BPI_STEP_MAP;
        bool handed_out = !map || c->op[op].output >= 0;
        if (handed_out && c->outputs == 1)
            return step->y;
        if (handed_out)
            bpi_rename_result(f->p, f->uses, step->y);
        op += map;
    }
    return first;
}

static bool make_chain(fusion *f, const group *g, bpi_step *to) {
    bpi_program *p = f->p;
    bpi_chain *c = shared_chain(f, g);
    uint32_t *x = bpi_arena_alloc(&p->memory, ((size_t)g->inputs + 1) * sizeof *x);
    if (!c || !x)
        return false;
    int count = 0;
    for (uint32_t k = g->first_in; k != BPI_NONE; k = f->inputs[k].following)
        x[count++] = f->inputs[k].reg;
    const bpi_step *last = &p->steps[g->last];
    *to = (bpi_step){.op = last->op,
                     .chain = c,
                     .x = x,
                     .y = make_outputs(f, g, c),
                     .workspace = BPI_NONE,
                     .inputs = (uint16_t)g->inputs,
                     .outputs = (uint8_t)c->outputs,
                     .kind = BPI_STEP_CHAIN};
    return true;
}

/* ---- the pass -------------------------------------------------------------------------------- */

/* A step alone stays what it is, unless its operands have to be broadcast, or it is large. */
static bool stays(const fusion *f, const group *g) {
    const bpi_step *step = &f->p->steps[g->first];
    const bpi_kernels *kernels = step->op->kernel;
    bool plain =
        g->first == g->last && !bpi_chain_suits(kernels->map, g->type->dtype, bpi_count(domain(g)));
    for (uint32_t k = g->first_in; k != BPI_NONE && plain; k = f->inputs[k].following)
        plain = bpi_same_shape(&f->p->regs[f->inputs[k].reg].type->shape, domain(g));
    return plain;
}

/* Replaces the steps of every group by one, at the place of its first. The steps move towards the
 * beginning: none is overwritten before it was looked at. */
static bool rewrite_steps(fusion *f) {
    bpi_program *p = f->p;
    size_t count = 0;
    for (uint32_t s = 0; s < p->step_count; s++) {
        const group *g = f->group_of[s] == BPI_NONE ? NULL : &f->groups[f->group_of[s]];
        if (p->steps[s].kind == BPI_STEP_GONE) {
            continue;
        } else if (g && !stays(f, g)) {
            bpi_step step;
            if (s != g->first)
                continue;
            if (!make_chain(f, g, &step))
                return false;
            p->steps[count++] = step;
        } else {
            p->steps[count++] = p->steps[s];
        }
    }
    p->step_count = count;
    return true;
}

bp_status bpi_fuse(bpi_program *p, bpi_uses *uses, const int *threads) {
    const size_t steps = p->step_count;
    fusion f = {.p = p,
                .uses = uses,
                .threads = threads,
                .groups = bpi_alloc((steps + 1) * sizeof *f.groups),
                .group_of = bpi_alloc((steps + 1) * sizeof *f.group_of),
                .following = bpi_alloc((steps + 1) * sizeof *f.following),
                .inputs = bpi_alloc((steps * BPI_MAP_OPERANDS + 1) * sizeof *f.inputs),
                .op_of = bpi_alloc(steps + 1)};
    bool ok = f.groups && f.group_of && f.following && f.inputs && f.op_of;
    if (ok) {
        memset(f.group_of, 0xFF, (steps + 1) * sizeof *f.group_of); /* BPI_NONE */
        form_groups(&f);
        ok = rewrite_steps(&f);
        bpi_apply_renames(p, uses);
    }
    bpi_free(f.groups);
    bpi_free(f.group_of);
    bpi_free(f.following);
    bpi_free(f.inputs);
    bpi_free(f.op_of);
    bpi_forms_free(&f.forms);
    return ok ? BP_OK : BP_ERR_MEMORY;
}

/* From rewritten nodes to a program: registers for tensors, steps for ops, in the order of the
 * nodes. Nodes that nothing needs are left out; leaves, and ops whose result has the bytes of
 * their operand, are registers without a step. */
#include <string.h>

#include "forms.h"
#include "inside.h"
#include "record.h"

size_t bpi_type_bytes(const bp_type *type) {
    return (size_t)bpi_count(&type->shape) * bp_dtype_size(type->dtype);
}

size_t bpi_aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* What the passes over the nodes share. */
typedef struct builder {
    const bpi_rewritten *from;
    int targets;
    uint32_t numbered; /* mark of the nodes that stand for leaves: until they have registers, their
                          slots are the numbers of the leaves */
    bpi_program *to;
    bp_failure *why;
    size_t constants; /* registers of them that are still to be placed */
    bpi_forms attrs;  /* copies of attributes */
} builder;

static bp_status fail_memory(const builder *b) {
    return bpi_fail(b->why, BP_ERR_MEMORY, "out of memory for a plan of %zu nodes", b->from->count);
}

static bool is_alias(const bpi_node *node) { return (node->op->flags & BP_OP_ALIAS) != 0; }

static bool is_assign(const bpi_node *node) { return node->op == &bpi_op_assign; }

static bool needs_step(const bpi_node *node) {
    return !node->leaf && !is_alias(node) && !is_assign(node);
}

/* Takes a node that nothing reads from those that are left, and then what only it has read: their
 * readers become 0. Those still to be taken are a list by their slots. */
static void drop_unread(uint32_t *readers, bpi_node *const *nodes, uint32_t id) {
    nodes[id]->slot = BPI_NONE;
    while (id != BPI_NONE) {
        const bpi_node *node = nodes[id];
        id = node->slot;
        readers[node->id] = 0;
        for (int k = 0; k < node->inputs; k++) {
            bpi_node *x = node->x[k]->node;
            if (--readers[x->id] != 1)
                continue;
            x->slot = id;
            id = x->id;
        }
    }
}

static void drop_all_unread(const bpi_rewritten *from) {
    const bp_graph *graph = from->roots[0]->node->graph;
    for (uint32_t id = 0; id < graph->count && id < from->reader_capacity; id++)
        if (from->readers[id] == 1)
            drop_unread(from->readers, graph->nodes, id);
}

/* Makes the arrays as large as they can get: a target may need a copy, a step a workspace, an
 * effect a copy at the end and one before the first step. */
static bp_status make_arrays(builder *b) {
    bpi_program *p = b->to;
    const bpi_rewritten *from = b->from;
    const size_t targets = (size_t)b->targets;
    p->step_capacity = from->steps + targets + 2 * from->effects;
    p->steps = bpi_alloc((p->step_capacity + 1) * sizeof *p->steps);
    p->effects = bpi_alloc((from->effects + 1) * sizeof *p->effects);
    p->targets = bpi_alloc((targets + 1) * sizeof *p->targets);
    p->target_count = b->targets;
    bool ok = bpi_reserve_regs(p, from->regs + targets + from->effects + 1) && p->steps &&
              p->effects && p->targets;
    return ok ? BP_OK : fail_memory(b);
}

/* ---- registers ------------------------------------------------------------------------------- */

/* Appends a register with memory of its own in the arena. */
static bpi_reg *add_reg(bpi_program *p, const bp_type *type, size_t bytes) {
    bpi_reg *reg = &p->regs[p->reg_count];
    *reg = (bpi_reg){.type = type, .bytes = bytes, .home = BPI_HOME_ARENA};
    p->root[p->reg_count] = (uint32_t)p->reg_count;
    p->reg_count++;
    return reg;
}

static uint32_t reg_of(const bp_tensor *tensor) { return tensor->node->slot + bpi_index(tensor); }

/* The place among the constants follows when all are known: until then `at` is the values. */
static void place_constant(builder *b, bpi_reg *reg, const void *values) {
    reg->home = BPI_HOME_CONSTANT;
    reg->at.fixed = values;
    b->to->constant_bytes += bpi_aligned(reg->bytes);
    b->constants++;
}

/* Tells whether the values of a leaf are kept by somebody else, and may change. */
static bool is_elsewhere(const bpi_leaf *leaf) {
    return leaf->pointed || (leaf->kind == BPI_SCALAR && leaf->data != &leaf->scalar);
}

/* Variables and memory given by the extension stay where they are; what a recording gives, and has
 * a number, is bound in every run; the rest is copied into the plan. */
static void place_leaf(builder *b, bpi_reg *reg, const bpi_leaf *leaf, uint32_t number) {
    if (leaf->kind == BPI_VARIABLE) {
        reg->home = BPI_HOME_FIXED;
        reg->at.fixed = leaf->variable->data;
    } else if (number != BPI_NONE) {
        reg->home = BPI_HOME_LEAF;
        reg->tight = true;
        reg->at.leaf = number;
    } else if (leaf->kind != BPI_CONSTANT && is_elsewhere(leaf)) {
        reg->home = BPI_HOME_FIXED;
        reg->at.fixed = leaf->data;
        reg->tight = true;
    } else {
        place_constant(b, reg, leaf->data);
    }
}

static bp_status add_node_regs(builder *b, bpi_node *node) {
    bpi_program *p = b->to;
    const uint32_t number = node->mark == b->numbered ? node->slot : BPI_NONE;
    node->slot = (uint32_t)p->reg_count;
    for (int k = 0; k < node->outputs; k++) {
        const bp_type *type = node->y[k].type;
        bpi_reg *reg = add_reg(p, type, bpi_type_bytes(type));
        if (node->leaf && node->leaf->kind == BPI_VARIABLE)
            reg->name = node->leaf->variable->name;
        else if (node->name && !(reg->name = bpi_arena_text(&p->memory, node->name)))
            return fail_memory(b);
    }
    if (node->leaf)
        place_leaf(b, &p->regs[node->slot], node->leaf, number);
    else if (is_alias(node))
        p->root[node->slot] = p->root[reg_of(node->x[0])];
    return BP_OK;
}

static bp_status fill_constants(builder *b) {
    bpi_program *p = b->to;
    p->constants = bpi_alloc_aligned(p->constant_bytes);
    if (!p->constants)
        return fail_memory(b);
    size_t offset = 0;
    for (size_t k = 0; b->constants > 0; k++) {
        bpi_reg *reg = &p->regs[k];
        if (reg->home != BPI_HOME_CONSTANT)
            continue;
        char *to = p->constants + offset;
        if (reg->bytes > 0)
            memcpy(to, reg->at.fixed, reg->bytes);
        memset(to + reg->bytes, 0, bpi_aligned(reg->bytes) - reg->bytes);
        reg->at.offset = offset;
        offset += bpi_aligned(reg->bytes);
        b->constants--;
    }
    return BP_OK;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool has_map(const bpi_node *node) {
    const bpi_kernels *kernels = node->op->kernel;
    return kernels && kernels->map && node->inputs == bpi_map_arity(kernels->map) &&
           bpi_map_reference(kernels->map, node->x[node->inputs - 1]->type->dtype);
}

/* Of an op with map kernels: a division of integers. */
static bool map_can_fail(const bp_op *op, bp_dtype dtype) {
    return ((const bpi_kernels *)op->kernel)->map == BPI_MAP_DIV && !bp_dtype_is_float(dtype);
}

/* Chains broadcast operands. What can fail is part of none: where an
 * operand has another shape than the result it is left to the op's own kernel. */
static bool broadcasts_alone(const bpi_node *node) {
    bool differ = false;
    for (int k = 0; k < node->inputs; k++)
        differ = differ || !bpi_same_shape(&node->x[k]->type->shape, &node->y[0].type->shape);
    return differ && map_can_fail(node->op, node->y[0].type->dtype);
}

static bpi_step_kind kind_of(const bpi_node *node) {
    const bpi_kernels *kernels = node->op->kernel;
    if (has_map(node) && !broadcasts_alone(node))
        return BPI_STEP_MAP;
    return kernels && kernels->sweep ? BPI_STEP_SWEEP : BPI_STEP_KERNEL;
}

static bool add_workspace(builder *b, const bpi_node *node, bpi_step *step) {
    step->workspace = BPI_NONE;
    if (!node->op->workspace || step->kind == BPI_STEP_MAP)
        return true;
    bp_type few[8];
    bp_type *types = node->inputs <= 8 ? few : bpi_alloc(node->inputs * sizeof *types);
    if (!types)
        return false;
    for (int k = 0; k < node->inputs; k++)
        types[k] = *node->x[k]->type;
    bp_signature s = {
        .op = node->op, .inputs = node->inputs, .x = types, .attr = node->attr, .why = b->why};
    for (int k = 0; k < node->outputs; k++)
        s.y[k] = *node->y[k].type;
    size_t bytes = node->op->workspace(&s);
    if (types != few)
        bpi_free(types);
    if (bytes > SIZE_MAX / 16) {
        bpi_fail(b->why, BP_ERR_MEMORY, "%s: its workspace rule asks for %zu bytes", node->op->name,
                 bytes);
        return false;
    }
    if (bytes > 0)
        step->workspace = (uint32_t)(add_reg(b->to, NULL, bytes) - b->to->regs);
    return true;
}

/* Copies attributes, lists included, into the program's memory; NULL without memory. */
static bp_attr *copy_attrs(bpi_program *p, const bpi_node *node) {
    bp_attr *attr = bpi_arena_alloc(&p->memory, node->attrs * sizeof *attr);
    for (int k = 0; k < node->attrs && attr; k++) {
        attr[k] = node->attr[k];
        if (attr[k].type != BP_ATTR_INTS)
            continue;
        size_t bytes = (size_t)attr[k].count * sizeof(int64_t);
        int64_t *list = bpi_arena_alloc(&p->memory, bytes);
        if (!list)
            return NULL;
        if (bytes > 0)
            memcpy(list, attr[k].as.list, bytes);
        attr[k].as.list = list;
    }
    return attr;
}

/* The attributes of a node, one copy of them for all nodes of an op that have the same; those with
 * long lists have one of their own. */
static bool add_attrs(builder *b, const bpi_node *node, bpi_step *step) {
    uint64_t key[1 + BP_MAX_ATTRS * (1 + BP_MAX_RANK)];
    size_t words = 0;
    void *own = NULL, **place = &own;
    bool few = true;
    key[words++] = (uint64_t)(uintptr_t)node->op;
    for (int k = 0; k < node->attrs && few; k++) {
        const bp_attr *attr = &node->attr[k];
        const bool list = attr->type == BP_ATTR_INTS;
        few = !list || attr->count <= BP_MAX_RANK;
        key[words++] = list ? (uint64_t)attr->count : (uint64_t)attr->as.i;
        for (int i = 0; list && few && i < attr->count; i++)
            key[words++] = (uint64_t)attr->as.list[i];
    }
    if (node->attrs == 0)
        return true;
    if (few && !(place = bpi_form_of(&b->attrs, &b->to->memory, key, words)))
        return false;
    if (!*place)
        *place = copy_attrs(b->to, node);
    step->attr = *place;
    return step->attr != NULL;
}

static bool add_operands(builder *b, const bpi_node *node, bpi_step *step) {
    uint32_t *x = bpi_arena_alloc(&b->to->memory, (size_t)node->inputs * sizeof *x);
    for (int k = 0; k < node->inputs && x; k++)
        x[k] = reg_of(node->x[k]);
    step->x = x;
    return x != NULL;
}

static bp_status add_step(builder *b, const bpi_node *node) {
    if (!node->op->forward)
        return bpi_fail(b->why, BP_ERR_UNSUPPORTED,
                        "%s has neither a forward kernel nor a lower rule", node->op->name);
    bpi_step *step = &b->to->steps[b->to->step_count];
    *step = (bpi_step){.op = node->op,
                       .y = node->slot,
                       .inputs = node->inputs,
                       .outputs = node->outputs,
                       .kind = (uint8_t)kind_of(node)};
    if (!add_operands(b, node, step) || !add_attrs(b, node, step) || !add_workspace(b, node, step))
        return fail_memory(b);
    b->to->step_count++;
    return BP_OK;
}

static void add_effect(bpi_program *p, const bpi_node *node) {
    p->effects[p->effect_count++] = (bpi_effect){.variable = node->x[0]->node->leaf->variable,
                                                 .reg = reg_of(node->x[0]),
                                                 .value = reg_of(node->x[1])};
}

/* Nodes become registers, and most of them steps; those of effects are noted. */
static bp_status add_nodes(builder *b) {
    bp_status status = BP_OK;
    for (size_t k = 0; k < b->from->count && status == BP_OK; k++) {
        bpi_node *node = b->from->nodes[k];
        bpi_fetch_ahead(b->from->nodes, k, b->from->count);
        if (b->from->readers[node->id] == 0)
            continue;
        if (is_assign(node))
            add_effect(b->to, node);
        else
            status = add_node_regs(b, node);
        if (status == BP_OK && needs_step(node))
            status = add_step(b, node);
    }
    return status;
}

/* ---- copies before the first step ------------------------------------------------------------ */

/* A step that copies register `from` into a new register, which it returns; BPI_NONE without
 * memory. */
static uint32_t add_copy(bpi_program *p, uint32_t from) {
    uint32_t *x = bpi_arena_alloc(&p->memory, sizeof *x);
    if (!x)
        return BPI_NONE;
    *x = from;
    bpi_reg *reg = add_reg(p, p->regs[from].type, p->regs[from].bytes);
    reg->name = p->regs[from].name;
    uint32_t y = (uint32_t)(reg - p->regs);
    p->steps[p->step_count++] = (bpi_step){
        .x = x, .y = y, .workspace = BPI_NONE, .inputs = 1, .outputs = 1, .kind = BPI_STEP_COPY};
    return y;
}

static void place_result(bpi_program *p, bpi_reg *root) {
    if (root->home == BPI_HOME_RESULT)
        return;
    root->home = BPI_HOME_RESULT;
    root->at.offset = p->result_bytes;
    p->result_bytes += bpi_aligned(root->bytes);
}

/* Targets are results of the plan. Where a target is what a leaf holds it is copied, before
 * anything changes; the result of an assignment is the variable itself. */
static bp_status add_targets(builder *b) {
    bpi_program *p = b->to;
    for (int k = 0; k < b->targets; k++) {
        const bp_tensor *root = b->from->roots[k];
        bool assigned = is_assign(root->node);
        uint32_t reg = reg_of(assigned ? root->node->x[0] : root);
        const uint8_t home = bpi_root_of(p, reg)->home;
        bool computed = home == BPI_HOME_ARENA || home == BPI_HOME_RESULT;
        if (!computed && !assigned)
            reg = add_copy(p, reg);
        if (reg == BPI_NONE)
            return fail_memory(b);
        if (!assigned)
            place_result(p, bpi_root_of(p, reg));
        p->targets[k] = reg;
    }
    return BP_OK;
}

/* Moves the copies, which are behind the first `steps` steps, before them. */
static bp_status copies_first(builder *b, size_t steps) {
    bpi_program *p = b->to;
    const size_t copies = p->step_count - steps;
    bpi_step *own = copies > 0 ? bpi_alloc(copies * sizeof *own) : NULL;
    if (copies == 0)
        return BP_OK;
    if (!own)
        return fail_memory(b);
    memcpy(own, p->steps + steps, copies * sizeof *own);
    memmove(p->steps + copies, p->steps, steps * sizeof *own);
    memcpy(p->steps, own, copies * sizeof *own);
    bpi_free(own);
    return BP_OK;
}

/* ---- effects --------------------------------------------------------------------------------- */

/* The same assignment twice is one effect. Every variable is one register, so `effect_of` tells by
 * register which effect there is on it. */
static bp_status merge_effects(builder *b, uint32_t *effect_of) {
    bpi_program *p = b->to;
    size_t count = 0;
    for (size_t k = 0; k < p->effect_count; k++) {
        const bpi_effect effect = p->effects[k];
        uint32_t *first = &effect_of[effect.reg];
        if (*first == BPI_NONE) {
            *first = (uint32_t)count;
            p->effects[count++] = effect;
        } else if (p->effects[*first].value != effect.value) {
            return bpi_fail(
                b->why, BP_ERR_STATE,
                "assign: \"%s\" is given two different values in one run; combine them before "
                "the assignment, or run them one after the other",
                effect.variable->name);
        }
    }
    p->effect_count = count;
    return BP_OK;
}

/* A value that is itself a variable is saved before anything is assigned. */
static bp_status save_variables(builder *b) {
    bpi_program *p = b->to;
    for (size_t k = 0; k < p->effect_count; k++) {
        const bpi_reg *root = bpi_root_of(p, p->effects[k].value);
        if (root->home != BPI_HOME_FIXED)
            continue;
        uint32_t saved = add_copy(p, p->effects[k].value);
        if (saved == BPI_NONE)
            return fail_memory(b);
        p->effects[k].value = saved;
    }
    return BP_OK;
}

static bp_status finish_effects(builder *b) {
    if (b->to->effect_count == 0)
        return BP_OK;
    uint32_t *effect_of = bpi_alloc((b->to->reg_count + 1) * sizeof *effect_of);
    if (!effect_of)
        return fail_memory(b);
    memset(effect_of, 0xFF, (b->to->reg_count + 1) * sizeof *effect_of); /* BPI_NONE */
    bp_status status = merge_effects(b, effect_of);
    bpi_free(effect_of);
    return status == BP_OK ? save_variables(b) : status;
}

static void number_leaves(builder *b, bpi_node *const *leaves, size_t count) {
    b->numbered = ++b->from->roots[0]->node->graph->mark;
    for (size_t k = 0; k < count; k++) {
        leaves[k]->mark = b->numbered;
        leaves[k]->slot = (uint32_t)k;
    }
}

bp_status bpi_program_of(const bpi_rewritten *rewritten, int targets, bpi_node *const *leaves,
                         size_t leaf_count, bpi_program *program, bp_failure *why) {
    *program = (bpi_program){.leaf_count = leaf_count};
    builder b = {.from = rewritten, .targets = targets, .to = program, .why = why};
    drop_all_unread(rewritten);
    number_leaves(&b, leaves, leaf_count);
    bp_status status = make_arrays(&b);
    if (status == BP_OK)
        status = add_nodes(&b);
    const size_t steps = program->step_count;
    if (status == BP_OK)
        status = fill_constants(&b);
    if (status == BP_OK)
        status = finish_effects(&b);
    if (status == BP_OK)
        status = add_targets(&b);
    if (status == BP_OK)
        status = copies_first(&b, steps);
    bpi_forms_free(&b.attrs);
    return status;
}

bool bpi_reserve_regs(bpi_program *program, size_t count) {
    bpi_reg *regs = bpi_realloc(program->regs, count * sizeof *regs);
    program->regs = regs ? regs : program->regs;
    uint32_t *root = bpi_realloc(program->root, count * sizeof *root);
    program->root = root ? root : program->root;
    return regs && root;
}

void bpi_program_free(bpi_program *program) {
    bpi_arena_free(&program->memory);
    bpi_free(program->regs);
    bpi_free(program->root);
    bpi_free(program->steps);
    bpi_free(program->effects);
    bpi_free(program->targets);
    bpi_free(program->constants);
    bpi_free(program->results);
    *program = (bpi_program){0};
}

bool bpi_step_can_fail(const bpi_program *program, const bpi_step *step) {
    if (step->kind != BPI_STEP_MAP)
        return step->kind == BPI_STEP_KERNEL;
    return map_can_fail(step->op, program->regs[step->y].type->dtype);
}

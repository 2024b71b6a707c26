/* The naive executor: a program one op at a time, by the reference kernels, each result in fresh
 * memory filled with NaN and surrounded by sentinels, which are checked after every kernel. It
 * shares with the planned execution neither kernels nor memory, and is what that is compared
 * with. */
#include <string.h>

#include "inside.h"

enum { GUARD = 64, SENTINEL = 0xA5, POISON = 0xFF }; /* bytes of 0xFF are a NaN in f32 and f64 */

/* A run under way. */
typedef struct naive {
    bp_graph *graph;
    const bpi_plan *plan;
    const bpi_program *program;
    char **memory;     /* by register: what is computed, behind its first guard; NULL: none */
    uint32_t *readers; /* by register: uses still to come of its memory */
    bp_array *arrays;  /* operands, then outputs of the step at hand */
    bp_failure *why;
} naive;

static bool is_computed(const bpi_reg *root) {
    return root->home == BPI_HOME_ARENA || root->home == BPI_HOME_RESULT;
}

static uint32_t root_of(const naive *n, uint32_t reg) { return n->program->root[reg]; }

static void *address(const naive *n, uint32_t reg) {
    uint32_t root = root_of(n, reg);
    return n->memory[root] ? n->memory[root] : bpi_reg_address(n->plan, root, NULL);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static bool make_memory(naive *n, uint32_t reg) {
    size_t bytes = n->program->regs[reg].bytes;
    char *block = bytes <= SIZE_MAX - 4 * GUARD ? bpi_alloc_aligned(bytes + 2 * GUARD) : NULL;
    if (!block)
        return false;
    memset(block, SENTINEL, GUARD);
    memset(block + GUARD, POISON, bytes);
    memset(block + GUARD + bytes, SENTINEL, GUARD);
    n->memory[reg] = block + GUARD;
    return true;
}

static void free_memory(naive *n, uint32_t reg) {
    if (n->memory[reg])
        bpi_free(n->memory[reg] - GUARD);
    n->memory[reg] = NULL;
}

static bool guards_hold(const naive *n, uint32_t reg) {
    uint32_t root = root_of(n, reg);
    const char *memory = n->memory[root];
    if (!memory)
        return true;
    char guard[GUARD];
    memset(guard, SENTINEL, GUARD);
    return memcmp(memory - GUARD, guard, GUARD) == 0 &&
           memcmp(memory + n->program->regs[root].bytes, guard, GUARD) == 0;
}

/* One reader less; the last one frees. */
static void release(naive *n, uint32_t reg) {
    uint32_t root = root_of(n, reg);
    if (is_computed(&n->program->regs[root]) && --n->readers[root] == 0)
        free_memory(n, root);
}

static void count_readers(naive *n) {
    const bpi_program *p = n->program;
    for (size_t s = 0; s < p->step_count; s++)
        for (int k = 0; k < p->steps[s].inputs; k++)
            n->readers[root_of(n, p->steps[s].x[k])]++;
    for (size_t k = 0; k < p->effect_count; k++)
        n->readers[root_of(n, p->effects[k].value)]++;
    for (int k = 0; k < p->target_count; k++)
        n->readers[root_of(n, p->targets[k])]++;
}

/* ---- one step -------------------------------------------------------------------------------- */

static bp_status fail_memory(const naive *n, const bpi_step *step) {
    return bpi_fail(n->why, BP_ERR_MEMORY, "%s: out of memory for its result of %zu bytes",
                    step->op ? step->op->name : "copy", n->program->regs[step->y].bytes);
}

static bp_status check_guards(const naive *n, const bpi_step *step) {
    bool ok = step->workspace == BPI_NONE || guards_hold(n, step->workspace);
    for (int k = 0; k < step->outputs; k++)
        ok = ok && guards_hold(n, step->y + (uint32_t)k);
    for (int k = 0; k < step->inputs; k++)
        ok = ok && guards_hold(n, step->x[k]);
    if (ok)
        return BP_OK;
    bpi_fail(
        n->why, BP_ERR_CHECK,
        "the kernel wrote outside of its result, an operand or its workspace; does it respect the "
        "counts and the dtypes of the arrays?");
    return bpi_step_fail(n->program, step, BP_ERR_CHECK, n->why);
}

static void fill_array(const naive *n, bp_array *array, uint32_t reg) {
    const bp_type *type = n->program->regs[reg].type;
    *array = (bp_array){address(n, reg), type, bp_shape_count(type->shape)};
}

static bp_status call_kernel(const naive *n, const bpi_step *step) {
    for (int k = 0; k < step->inputs; k++)
        fill_array(n, &n->arrays[k], step->x[k]);
    for (int k = 0; k < step->outputs; k++)
        fill_array(n, &n->arrays[step->inputs + k], step->y + (uint32_t)k);
    if (step->kind == BPI_STEP_COPY) {
        memcpy(n->arrays[1].data, n->arrays[0].data, n->program->regs[step->y].bytes);
        return BP_OK;
    }
    const bp_model *model = n->graph->model;
    const uint64_t random[3] = {model->seed, bpi_random_ordinal(step->op, step->attr), model->step};
    bp_call call = {.op = step->op,
                    .attr = step->attr,
                    .inputs = step->inputs,
                    .outputs = step->outputs,
                    .x = n->arrays,
                    .y = n->arrays + step->inputs,
                    .workspace = step->workspace == BPI_NONE ? NULL : address(n, step->workspace),
                    .random = random,
                    .why = n->why};
    bp_status status = step->op->forward(&call);
    return status == BP_OK ? BP_OK : bpi_step_fail(n->program, step, status, n->why);
}

static bp_status run_step(naive *n, const bpi_step *step) {
    bool ok = step->workspace == BPI_NONE || make_memory(n, step->workspace);
    for (int k = 0; k < step->outputs && ok; k++)
        ok = make_memory(n, step->y + (uint32_t)k);
    if (!ok)
        return fail_memory(n, step);
    bp_status status = call_kernel(n, step);
    if (status == BP_OK)
        status = check_guards(n, step);
    if (step->workspace != BPI_NONE)
        free_memory(n, step->workspace);
    for (int k = 0; k < step->inputs; k++)
        release(n, step->x[k]);
    for (int k = 0; k < step->outputs; k++)
        if (n->readers[step->y + (uint32_t)k] == 0)
            free_memory(n, step->y + (uint32_t)k);
    return status;
}

/* ---- the run --------------------------------------------------------------------------------- */

/* Nothing can fail any more: targets to the results, new values to the variables. */
static void finish(naive *n) {
    const bpi_program *p = n->program;
    for (int k = 0; k < p->target_count; k++) {
        const bpi_reg *root = &p->regs[root_of(n, p->targets[k])];
        if (root->home == BPI_HOME_RESULT)
            memcpy(p->results + root->at.offset, address(n, p->targets[k]), root->bytes);
    }
    for (size_t k = 0; k < p->effect_count; k++)
        memcpy(p->effects[k].variable->data, address(n, p->effects[k].value),
               p->regs[p->effects[k].value].bytes);
}

static bool prepare(naive *n) {
    const bpi_program *p = n->program;
    size_t widest = 0;
    for (size_t s = 0; s < p->step_count; s++) {
        size_t arrays = (size_t)p->steps[s].inputs + p->steps[s].outputs;
        widest = arrays > widest ? arrays : widest;
    }
    n->memory = bpi_alloc_zeroed((p->reg_count + 1) * sizeof *n->memory);
    n->readers = bpi_alloc_zeroed((p->reg_count + 1) * sizeof *n->readers);
    n->arrays = bpi_alloc((widest + 1) * sizeof *n->arrays);
    return n->memory && n->readers && n->arrays;
}

bp_status bpi_run_naive(bp_graph *graph, bpi_plan *plan, bp_failure *why) {
    naive n = {.graph = graph, .plan = plan, .program = &plan->program, .why = why};
    bp_status status = BP_OK;
    if (prepare(&n))
        count_readers(&n);
    else
        status = bpi_fail(why, BP_ERR_MEMORY, "out of memory for a run of %zu ops",
                          plan->program.step_count);
    for (size_t s = 0; s < plan->program.step_count && status == BP_OK; s++)
        status = run_step(&n, &plan->program.steps[s]);
    if (status == BP_OK)
        finish(&n);
    for (size_t k = 0; k < plan->program.reg_count && n.memory; k++)
        free_memory(&n, (uint32_t)k);
    bpi_free(n.memory);
    bpi_free(n.readers);
    bpi_free(n.arrays);
    return status;
}

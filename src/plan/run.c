/* Running the instructions of a plan. A run that has been made before takes no memory. */
#include <string.h>

#include "inside.h"
#include "kernel/cpu.h"

void *bpi_reg_address(const bpi_plan *plan, uint32_t reg, const char *arena) {
    const bpi_program *p = &plan->program;
    const bpi_reg *root = bpi_root_of(p, reg);
    switch ((bpi_home)root->home) {
    case BPI_HOME_ARENA: return (char *)arena + root->at.offset;
    case BPI_HOME_RESULT: return p->results + root->at.offset;
    case BPI_HOME_CONSTANT: return p->constants + root->at.offset;
    case BPI_HOME_LEAF: return (void *)plan->leaves[root->at.leaf]->data;
    case BPI_HOME_FIXED: break;
    }
    return (void *)root->at.fixed;
}

uint64_t bpi_random_ordinal(const bp_op *op, const bp_attr *attr) {
    const int k = bpi_op_ordinal(op);
    return k < 0 ? 0 : (uint64_t)attr[k].as.i;
}

bp_status bpi_step_fail(const bpi_program *program, const bpi_step *step, bp_status status,
                        bp_failure *why) {
    char text[sizeof why->text], operands[300];
    size_t length = 0;
    operands[0] = '\0';
    for (int k = 0; k < step->inputs && k < 4 && length < sizeof operands - 1; k++) {
        const bpi_reg *reg = &program->regs[step->x[k]];
        char shape[BPI_SHAPE_TEXT];
        length += (size_t)bpi_format(operands + length, sizeof operands - length, "%s%s%s%s %s",
                                     k ? ", " : "", reg->name ? reg->name : "",
                                     reg->name ? " " : "", bp_dtype_name(reg->type->dtype),
                                     bpi_shape_text(&reg->type->shape, shape));
    }
    const char *name = program->regs[step->y].name;
    const char *words = why->status != BP_OK ? why->text : bp_status_text(status);
    bpi_format(text, sizeof text, "%s%s%s%s: %s; operands: %s", step->op ? step->op->name : "copy",
               name ? " \"" : "", name ? name : "", name ? "\"" : "", words, operands);
    why->status = BP_OK;
    return bpi_fail(why, status, "%s", text);
}

/* ---- the leaves ------------------------------------------------------------------------------ */

static bool overlap(bpi_pointing a, bpi_pointing b) {
    uintptr_t x = (uintptr_t)a.data, y = (uintptr_t)b.data;
    return x < y ? y - x < a.bytes : x - y < b.bytes;
}

/* An input that was pointed at memory that the run itself writes would change under its readers. */
static bp_status check_pointer(const bpi_plan *plan, bpi_pointing input, bp_failure *why) {
    const bpi_program *p = &plan->program;
    bool written = overlap(input, (bpi_pointing){p->results, p->result_bytes});
    for (size_t k = 0; k < p->effect_count; k++) {
        const bpi_variable *variable = p->effects[k].variable;
        bpi_pointing block = {variable->data, bpi_type_bytes(variable->type)};
        written = written || overlap(input, block);
    }
    if (!written)
        return BP_OK;
    return bpi_fail(
        why, BP_ERR_STATE,
        "bp_point: an input points at memory that this run writes (a result, or a variable "
        "that it assigns); copy the values into the input with bp_write");
}

/* Makes the operands point where the leaves are now. */
static bp_status point_leaves(const bp_graph *graph, bpi_plan *plan, bp_failure *why) {
    for (size_t k = 0; k < plan->program.leaf_count; k++) {
        const void *data = plan->leaves[k]->data;
        bpi_pointing now = {data, plan->pointed[k].bytes};
        if (data == plan->pointed[k].data)
            continue;
        if (plan->leaves[k]->pointed && check_pointer(plan, now, why) != BP_OK)
            return why->status;
        for (size_t u = plan->use_start[k]; u < plan->use_start[k + 1]; u++)
            *plan->uses[u] = data;
        plan->pointed[k] = now;
    }
    plan->pointings = graph->pointings;
    return BP_OK;
}

/* ---- running --------------------------------------------------------------------------------- */

/* Makes the arena large enough for a plan; other plans find out that it has moved when they run. It
 * begins as zeros: what is read behind the last element of an array has to be defined. */
static bool grow_arena(bpi_plans *plans, size_t bytes) {
    if (plans->arena && plans->arena_bytes >= bytes)
        return true;
    bpi_free(plans->arena);
    plans->arena = bpi_alloc_aligned(bytes);
    plans->arena_bytes = plans->arena ? bytes : 0;
    if (plans->arena)
        memset(plans->arena, 0, bytes);
    return plans->arena != NULL;
}

static bp_status run_all(const bpi_plan *plan, const bpi_instruction **failed) {
    const bpi_instruction *end = plan->code + plan->program.step_count;
    for (const bpi_instruction *i = plan->code; i < end; i++) {
        bp_status status = i->run(i);
        if (status != BP_OK) {
            *failed = i;
            return status;
        }
    }
    return BP_OK;
}

static bool is_pointed(const bp_graph *graph, const bpi_plan *plan) {
    const bpi_plans *plans = graph->plans;
    return plan->base == plans->arena && plan->pointings == graph->pointings && plans->arena &&
           plans->arena_bytes >= plan->program.arena_bytes + plan->room_bytes;
}

/* Sees to the arena, and that all operands point where their memory is now. */
static __attribute__((noinline)) bp_status point_all(bp_graph *graph, bpi_plan *plan,
                                                     bp_failure *why) {
    const bpi_program *p = &plan->program;
    if (!grow_arena(graph->plans, p->arena_bytes + plan->room_bytes))
        return bpi_fail(why, BP_ERR_MEMORY, "out of memory for %zu bytes of intermediate values",
                        p->arena_bytes);
    if (plan->base != graph->plans->arena)
        bpi_point_code(plan, graph->plans->arena);
    return point_leaves(graph, plan, why);
}

static __attribute__((noinline)) bp_status tell(const bpi_plan *plan, const bpi_instruction *failed,
                                                bp_status status, bp_failure *why) {
    if (failed)
        return bpi_step_fail(&plan->program, &plan->program.steps[failed - plan->code], status,
                             why);
    return bpi_fail(why, status, "out of memory for a profile");
}

bp_status bpi_run_code(bp_graph *graph, bpi_plan *plan, bp_failure *why) {
    bp_status status = is_pointed(graph, plan) ? BP_OK : point_all(graph, plan, why);
    if (status != BP_OK)
        return status;
    for (size_t k = 0; k < plan->random_count; k++) {
        plan->random_state[k][0] = graph->model->seed;
        plan->random_state[k][2] = graph->model->step;
    }
    const bpi_instruction *failed = NULL;
    const unsigned settings = bpi_float_settings();
    bpi_set_float_settings(bpi_flush_tiny(settings));
    status = graph->profiling ? bpi_run_measured(plan, &failed) : run_all(plan, &failed);
    bpi_set_float_settings(settings);
    return status == BP_OK ? BP_OK : tell(plan, failed, status, why);
}

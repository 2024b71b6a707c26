/* Running a plan. */
#include <string.h>

#include "inside.h"

void *bpi_reg_address(const bpi_plan *plan, uint32_t reg, const char *arena) {
    const bpi_program *p = &plan->program;
    const bpi_reg *root = &p->regs[p->regs[reg].root];
    switch ((bpi_home)root->home) {
    case BPI_HOME_ARENA:
        return (char *)arena + root->at.offset;
    case BPI_HOME_RESULT:
        return p->results + root->at.offset;
    case BPI_HOME_CONSTANT:
        return p->constants + root->at.offset;
    case BPI_HOME_LEAF:
        return (void *)plan->leaves[root->at.leaf]->node->leaf->data;
    case BPI_HOME_FIXED:
        break;
    }
    return (void *)root->at.fixed;
}

uint64_t bpi_random_ordinal(const bp_op *op, const bp_attr *attr) {
    for (int k = 0; k < BP_MAX_ATTRS && op->attrs[k].type != BP_ATTR_NONE; k++)
        if (strcmp(op->attrs[k].name, "ordinal") == 0)
            return (uint64_t)attr[k].as.i;
    return 0;
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
                                     k ? ", " : "", reg->name ? reg->name : "", reg->name ? " " : "",
                                     bp_dtype_name(reg->type->dtype),
                                     bpi_shape_text(&reg->type->shape, shape));
    }
    const char *name = program->regs[step->y].name;
    const char *words = why->status != BP_OK ? why->text : bp_status_text(status);
    bpi_format(text, sizeof text, "%s%s%s%s: %s; operands: %s", step->op ? step->op->name : "copy",
               name ? " \"" : "", name ? name : "", name ? "\"" : "", words, operands);
    why->status = BP_OK;
    return bpi_fail(why, status, "%s", text);
}

bp_status bpi_run_code(bp_graph *graph, bpi_plan *plan, bp_failure *why) {
    return bpi_run_naive(graph, plan, why);
}

/* What a step costs, by the records of its ops. */
#include "chain.h"
#include "inside.h"
#include "product.h"

void bpi_step_cost(const bpi_program *p, const bpi_step *step, double *flops, double *bytes) {
    enum { MOST = 8 };
    bp_type types[MOST];
    *flops = 0;
    *bytes = 0;
    for (int k = 0; k < step->inputs + step->outputs; k++)
        *bytes +=
            (double)p->regs[k < step->inputs ? step->x[k] : step->y + (uint32_t)(k - step->inputs)]
                .bytes;
    if (!step->op)
        return;
    *flops = (double)bp_shape_count(p->regs[step->y].type->shape);
    if (step->chain || step->product)
        *flops = step->chain ? step->chain->flops : step->product->flops;
    if (step->chain || step->product || !step->op->cost || step->inputs > MOST)
        return;
    bp_failure why = {.status = BP_OK};
    bp_signature s = {
        .op = step->op, .inputs = step->inputs, .x = types, .attr = step->attr, .why = &why};
    for (int k = 0; k < step->inputs; k++)
        types[k] = *p->regs[step->x[k]].type;
    for (uint32_t k = 0; k < step->outputs; k++)
        s.y[k] = *p->regs[step->y + k].type;
    step->op->cost(&s, flops, bytes);
}

/* What a step costs, by the records of its ops. */
#include "chain.h"
#include "inside.h"
#include "product.h"

/* As the record of the op says; leaves alone what it says nothing of. */
static void ask_record(const bpi_program *p, const bpi_step *step, double *flops, double *bytes) {
    enum { MOST = 8 };
    bp_type types[MOST];
    if (!step->op->cost || step->inputs > MOST)
        return;
    bp_failure why; /* nobody reads it, nor what is left of the signature */
    bp_signature s;
    why.status = BP_OK;
    s.op = step->op;
    s.inputs = step->inputs;
    s.x = types;
    s.attr = step->attr;
    s.why = &why;
    for (int k = 0; k < step->inputs; k++)
        types[k] = *p->regs[step->x[k]].type;
    for (uint32_t k = 0; k < step->outputs; k++)
        s.y[k] = *p->regs[step->y + k].type;
    step->op->cost(&s, flops, bytes);
}

double bpi_step_flops(const bpi_program *p, const bpi_step *step) {
    if (step->chain || step->product)
        return step->chain ? step->chain->flops : step->product->flops;
    double flops = step->op ? (double)bpi_count(&p->regs[step->y].type->shape) : 0, bytes;
    if (step->op)
        ask_record(p, step, &flops, &bytes);
    return flops;
}

void bpi_step_cost(const bpi_program *p, const bpi_step *step, double *flops, double *bytes) {
    *bytes = 0;
    for (int k = 0; k < step->inputs + step->outputs; k++)
        *bytes +=
            (double)p->regs[k < step->inputs ? step->x[k] : step->y + (uint32_t)(k - step->inputs)]
                .bytes;
    *flops = bpi_step_flops(p, step);
    if (step->op && !step->chain && !step->product)
        ask_record(p, step, flops, bytes);
}

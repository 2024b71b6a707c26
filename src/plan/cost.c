/* What a step costs, by the records of its ops. */
#include "chain.h"
#include "inside.h"
#include "product.h"

/* The flops; and the bytes where the record of the op says what they are. */
static double ask_record(const bpi_program *p, const bpi_step *step, double *bytes) {
    enum { MOST = 8 };
    bp_type types[MOST];
    if (bpi_is_chain(step))
        return step->chain->flops;
    if (bpi_is_product(step))
        return step->product->flops;
    double flops = step->op ? (double)bpi_count(&p->regs[step->y].type->shape) : 0;
    if (!step->op || !step->op->cost || step->inputs > MOST)
        return flops;
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
    step->op->cost(&s, &flops, bytes);
    return flops;
}

double bpi_step_flops(const bpi_program *p, const bpi_step *step) {
    double bytes;
    return ask_record(p, step, &bytes);
}

void bpi_step_cost(const bpi_program *p, const bpi_step *step, double *flops, double *bytes) {
    *bytes = 0;
    for (int k = 0; k < step->inputs + step->outputs; k++)
        *bytes +=
            (double)p->regs[k < step->inputs ? step->x[k] : step->y + (uint32_t)(k - step->inputs)]
                .bytes;
    *flops = ask_record(p, step, bytes);
}

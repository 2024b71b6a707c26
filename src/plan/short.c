/* The short form of products and of elementwise steps. */
#include "short.h"

size_t bpi_short_vectors(const bpi_short *kernels, bp_dtype dtype, size_t count) {
    const size_t lanes = kernels->vector / bp_dtype_size(dtype);
    return (count + lanes - 1) / lanes * lanes;
}

/* ---- elementwise steps ----------------------------------------------------------------------- */

size_t bpi_short_count(const bpi_program *p, const bpi_step *step) {
    const bp_dtype dtype = p->regs[step->y].type->dtype;
    const size_t count = (size_t)bp_shape_count(p->regs[step->y].type->shape);
    const bpi_short *kernels = bpi_short_for(dtype);
    bool room = kernels != NULL;
    for (int k = 0; k < step->inputs; k++) {
        const uint32_t x = step->x[k];
        room = room && p->regs[x].type->dtype == dtype && !bpi_root_of(p, x)->tight;
    }
    return room ? bpi_short_vectors(kernels, dtype, count) : count;
}

/* ---- products -------------------------------------------------------------------------------- */

static bool same_place(const bpi_program *p, uint32_t x, uint32_t y) {
    const bpi_reg *a = bpi_root_of(p, x), *b = bpi_root_of(p, y);
    bool fixed = a->home == BPI_HOME_FIXED && b->home == BPI_HOME_FIXED;
    return a == b || (fixed && a->at.fixed == b->at.fixed);
}

static bp_status run_product(const bpi_instruction *self) {
    const bpi_plan_product *product = self->more;
    return product->brief_run(&product->brief, self->operands, self->results);
}

/* The numbers of the operands are those of the step. */
static void fill_in(const bpi_plan_product *product, bpi_short_product *brief) {
    brief->bias = (uint8_t)product->bias;
    brief->alpha = (uint8_t)product->alpha;
    brief->beta = (uint8_t)product->beta;
    brief->addend = (uint8_t)product->addend;
    brief->moved = (uint8_t)product->moved;
    brief->rate = (uint8_t)product->rate;
    brief->minus = product->minus;
    brief->relu = product->relu;
    brief->finishes = product->addend || product->relu;
}

void bpi_short_product_emit(const bpi_program *p, const bpi_step *step, bpi_instruction *to,
                            size_t *room) {
    bpi_plan_product *product = step->product;
    const bpi_short *kernels = bpi_short_for(p->regs[step->y].type->dtype);
    const uint32_t *x = step->x;
    bool in_place = (!product->addend || same_place(p, x[product->addend], step->y)) &&
                    (!product->moved || same_place(p, x[product->moved], step->y + 1));
    if (!kernels || !in_place || product->sweep)
        return;
    if (!product->brief_run && bpi_short_product_of(kernels, &product->shape, &product->brief)) {
        fill_in(product, &product->brief);
        product->brief_run = kernels->product[product->brief.kind];
    }
    if (!product->brief_run)
        return;
    *room = *room < BPI_SHORT_SUMS ? BPI_SHORT_SUMS : *room;
    to->run = run_product;
}

void bpi_short_product_point(bpi_plan_product *product, char *room) { product->brief.sums = room; }

/* What computes and what reads the memory of each register. */
#include <string.h>

#include "inside.h"

static uint32_t root(const bpi_program *p, uint32_t reg) { return p->regs[reg].root; }

static void note_steps(const bpi_program *p, bpi_uses *u) {
    for (uint32_t s = 0; s < p->step_count; s++) {
        const bpi_step *step = &p->steps[s];
        for (uint32_t k = 0; k < step->outputs; k++)
            u->maker[root(p, step->y + k)] = s;
        for (int k = 0; k < step->inputs; k++) {
            u->reads[root(p, step->x[k])]++;
            u->reader[root(p, step->x[k])] = s;
        }
    }
}

bool bpi_note_uses(const bpi_program *p, bpi_uses *u) {
    size_t bytes = (p->reg_count + 1) * sizeof(uint32_t);
    *u = (bpi_uses){bpi_alloc(bytes), bpi_alloc(bytes), bpi_alloc_zeroed(bytes)};
    if (!u->maker || !u->reader || !u->reads)
        return false;
    memset(u->maker, 0xFF, bytes); /* BPI_NONE */
    memset(u->reader, 0xFF, bytes);
    note_steps(p, u);
    for (size_t k = 0; k < p->effect_count; k++)
        u->reads[root(p, p->effects[k].value)]++;
    for (int k = 0; k < p->target_count; k++)
        u->reads[root(p, p->targets[k])]++;
    return true;
}

void bpi_free_uses(bpi_uses *u) {
    bpi_free(u->maker);
    bpi_free(u->reader);
    bpi_free(u->reads);
    *u = (bpi_uses){0};
}

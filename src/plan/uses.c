/* What computes and what reads the memory of each register, and new registers for results. */
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

bool bpi_note_uses(bpi_program *p, bpi_uses *u) {
    size_t bytes = (p->reg_count + 1) * sizeof(uint32_t);
    size_t room =
        p->reg_count + p->step_count + p->step_capacity + 1; /* a new one for every result */
    *u = (bpi_uses){bpi_alloc(bytes), bpi_alloc(bytes), bpi_alloc_zeroed(bytes), bpi_alloc(bytes),
                    p->reg_count};
    bpi_reg *regs = bpi_realloc(p->regs, room * sizeof *regs);
    if (regs)
        p->regs = regs;
    if (!regs || !u->maker || !u->reader || !u->reads || !u->renamed)
        return false;
    memset(u->maker, 0xFF, bytes); /* BPI_NONE */
    memset(u->reader, 0xFF, bytes);
    memset(u->renamed, 0xFF, bytes);
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
    bpi_free(u->renamed);
    *u = (bpi_uses){0};
}

uint32_t bpi_rename_result(bpi_program *p, bpi_uses *u, uint32_t reg) {
    uint32_t old = root(p, reg), new = (uint32_t)p->reg_count++;
    p->regs[new] = p->regs[old];
    p->regs[new].root = new;
    u->renamed[old] = new;
    return new;
}

void bpi_apply_renames(bpi_program *p, const bpi_uses *u) {
    for (size_t k = 0; k < u->reg_count; k++)
        if (u->renamed[p->regs[k].root] != BPI_NONE)
            p->regs[k].root = u->renamed[p->regs[k].root];
}

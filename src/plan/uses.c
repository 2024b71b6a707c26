/* What computes and what reads the memory of each register, and new registers for results. */
#include "inside.h"

static void note_steps(const bpi_program *p, bpi_use *of) {
    for (uint32_t s = 0; s < p->step_count; s++) {
        const bpi_step *step = &p->steps[s];
        for (uint32_t k = 0; k < step->outputs; k++)
            of[p->root[step->y + k]].maker = s;
        for (int k = 0; k < step->inputs; k++) {
            bpi_use *x = &of[p->root[step->x[k]]];
            x->reads++;
            x->reader = s;
        }
    }
}

bool bpi_note_uses(bpi_program *p, bpi_uses *u) {
    const size_t room = p->reg_count + p->step_count; /* a new one for every result */
    *u = (bpi_uses){.of = bpi_alloc(room * sizeof *u->of)};
    if (!u->of || !bpi_reserve_regs(p, room))
        return false;
    for (size_t k = 0; k < p->reg_count; k++)
        u->of[k] = (bpi_use){BPI_NONE, BPI_NONE, 0, BPI_NONE};
    note_steps(p, u->of);
    for (size_t k = 0; k < p->effect_count; k++)
        u->of[p->root[p->effects[k].value]].reads++;
    for (int k = 0; k < p->target_count; k++)
        u->of[p->root[p->targets[k]]].reads++;
    return true;
}

void bpi_free_uses(bpi_uses *u) {
    bpi_free(u->of);
    *u = (bpi_uses){0};
}

uint32_t bpi_rename_result(bpi_program *p, bpi_uses *u, uint32_t reg) {
    uint32_t old = p->root[reg], new = (uint32_t)p->reg_count++;
    p->regs[new] = p->regs[old];
    p->root[new] = new;
    u->of[new] = u->of[old];
    u->of[old].renamed = new;
    u->renamed = true;
    return new;
}

void bpi_apply_renames(bpi_program *p, bpi_uses *u) {
    for (size_t k = 0; k < p->reg_count && u->renamed; k++) {
        uint32_t renamed = u->of[p->root[k]].renamed;
        if (renamed != BPI_NONE)
            p->root[k] = renamed;
    }
    u->renamed = false;
}

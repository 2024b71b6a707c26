/* Placement: which register lives where, and from which step to which.
 *
 * State is safe: a step may write into a variable only after the last step that can fail, and
 * after the last other reader of the old value. A new value for which that holds, and that is
 * computed element by element, is computed where the variable is; every other one is copied
 * there at the very end.
 *
 * An elementwise step may write its result over an operand that nobody reads afterwards.
 * Registers that share memory in this way form one buffer; offsets.c places the buffers. */
#include "chain.h"
#include "inside.h"
#include "offsets.h"
#include "product.h"

static const bpi_reg *root_of(const bpi_program *p, uint32_t reg) {
    return &p->regs[p->regs[reg].root];
}

/* ---- results --------------------------------------------------------------------------------- */

static void place_results(bpi_program *p) {
    for (size_t k = 0; k < p->reg_count; k++) {
        bpi_reg *reg = &p->regs[k];
        if (reg->root != k || reg->home != BPI_HOME_RESULT)
            continue;
        reg->at.offset = p->result_bytes;
        p->result_bytes += bpi_aligned(reg->bytes);
    }
}

/* ---- lifetimes ------------------------------------------------------------------------------- */

static void extend_life(bpi_program *p, uint32_t reg, size_t step) {
    bpi_reg *root = &p->regs[p->regs[reg].root];
    if (root->first == BPI_NONE)
        root->first = (uint32_t)step;
    root->last = (uint32_t)step;
}

static void find_lifetimes(bpi_program *p, size_t from) {
    for (size_t s = from; s < p->step_count; s++) {
        const bpi_step *step = &p->steps[s];
        if (step->workspace != BPI_NONE)
            extend_life(p, step->workspace, s);
        for (uint32_t k = 0; k < step->outputs; k++)
            extend_life(p, step->y + k, s);
        for (int k = 0; k < step->inputs; k++)
            extend_life(p, step->x[k], s);
    }
}

/* ---- what may be overwritten ----------------------------------------------------------------- */

/* Tells whether a step may write output number `output` where register `root` is, as far as that
 * step goes: every operand there is read element by element, each before it is written. */
static bool may_overwrite(const bpi_program *p, const bpi_step *step, uint32_t output,
                          uint32_t root) {
    const bpi_reg *y = &p->regs[step->y + output];
    if (step->kind == BPI_STEP_KERNEL || step->kind == BPI_STEP_COPY ||
        p->regs[root].bytes != y->bytes)
        return false;
    for (int k = 0; k < step->inputs; k++) {
        const bpi_reg *x = &p->regs[step->x[k]];
        if (x->root != root)
            continue;
        bool same_size =
            x->bytes == y->bytes && bp_dtype_size(x->type->dtype) == bp_dtype_size(y->type->dtype);
        bool in_place = step->kind == BPI_STEP_MAP || step->kind == BPI_STEP_SWEEP;
        if (bpi_is_product(step))
            in_place = bpi_product_may_overwrite(step->product, k, (int)output);
        if (bpi_is_chain(step))
            in_place = bpi_chain_may_overwrite(step->chain, k, (int)output);
        if (!same_size || !in_place)
            return false;
    }
    return true;
}

/* ---- new values of variables ----------------------------------------------------------------- */

/* The number of steps up to and including the last one that can fail. */
static size_t steps_at_risk(const bpi_program *p) {
    size_t count = p->step_count;
    while (count > 0 && !bpi_step_can_fail(p, &p->steps[count - 1]))
        count--;
    return count;
}

/* A value lives from the step that makes it; a variable, so far, until it is read last. */
static bool can_be_direct(const bpi_program *p, const bpi_effect *effect, size_t risk) {
    uint32_t value = p->regs[effect->value].root, variable = effect->reg;
    uint32_t made = p->regs[value].first, read = p->regs[variable].last;
    return p->regs[value].home == BPI_HOME_ARENA && made != BPI_NONE && made >= risk &&
           (read == BPI_NONE || read <= made) &&
           may_overwrite(p, &p->steps[made], value - p->steps[made].y, variable);
}

static void make_direct(bpi_program *p) {
    size_t risk = steps_at_risk(p);
    for (size_t k = 0; k < p->effect_count; k++) {
        bpi_effect *effect = &p->effects[k];
        effect->direct = can_be_direct(p, effect, risk);
        if (!effect->direct)
            continue;
        bpi_reg *value = &p->regs[p->regs[effect->value].root];
        value->home = BPI_HOME_FIXED;
        value->at.fixed = effect->variable->data;
    }
}

/* Appends the copies into variables whose new value was computed elsewhere. */
static bool append_copies(bpi_program *p) {
    for (size_t k = 0; k < p->effect_count; k++) {
        if (p->effects[k].direct)
            continue;
        uint32_t *x = bpi_arena_alloc(&p->memory, sizeof *x);
        if (!x)
            return false;
        *x = p->effects[k].value;
        p->steps[p->step_count++] = (bpi_step){.x = x,
                                               .y = p->effects[k].reg,
                                               .workspace = BPI_NONE,
                                               .inputs = 1,
                                               .outputs = 1,
                                               .kind = BPI_STEP_COPY};
    }
    return true;
}

/* ---- buffers --------------------------------------------------------------------------------- */

/* The operand that dies at step `s` and that its first result may be written over; BPI_NONE:
 * none. */
static uint32_t dying_operand(const bpi_program *p, size_t s) {
    const bpi_step *step = &p->steps[s];
    if (step->outputs == 0 || root_of(p, step->y)->home != BPI_HOME_ARENA)
        return BPI_NONE;
    for (int k = 0; k < step->inputs; k++) {
        const bpi_reg *root = root_of(p, step->x[k]);
        if (root->home == BPI_HOME_ARENA && root->last == s &&
            may_overwrite(p, step, 0, root->root))
            return root->root;
    }
    return BPI_NONE;
}

/* Numbers the buffers: `buffer_of` by register; a register that is written over another shares
 * its. */
static size_t make_buffers(const bpi_program *p, uint32_t *buffer_of, bpi_buffer *buffers) {
    size_t count = 0;
    for (size_t s = 0; s < p->step_count; s++) {
        const bpi_step *step = &p->steps[s];
        uint32_t under = dying_operand(p, s);
        for (uint32_t k = 0; k <= step->outputs; k++) {
            uint32_t reg = k < step->outputs ? step->y + k : step->workspace;
            if (reg == BPI_NONE || p->regs[reg].home != BPI_HOME_ARENA)
                continue;
            const bpi_reg *r = &p->regs[reg];
            if (under != BPI_NONE && k == 0) {
                buffer_of[reg] = buffer_of[under];
                buffers[buffer_of[reg]].last = r->last;
            } else {
                buffer_of[reg] = (uint32_t)count;
                buffers[count++] = (bpi_buffer){bpi_aligned(r->bytes), 0, r->first, r->last};
            }
        }
    }
    return count;
}

static bool place_arena(bpi_program *p) {
    uint32_t *buffer_of = bpi_alloc((p->reg_count + 1) * sizeof *buffer_of);
    bpi_buffer *buffers = bpi_alloc((p->reg_count + 1) * sizeof *buffers);
    bool ok = buffer_of && buffers;
    if (ok) {
        for (size_t k = 0; k < p->reg_count; k++)
            buffer_of[k] = BPI_NONE;
        size_t count = make_buffers(p, buffer_of, buffers);
        ok = bpi_place_buffers(buffers, count, p->step_count, &p->arena_bytes, &p->bound_bytes);
    }
    for (size_t k = 0; k < p->reg_count && ok; k++)
        if (buffer_of[k] != BPI_NONE)
            p->regs[k].at.offset = buffers[buffer_of[k]].offset;
    bpi_free(buffer_of);
    bpi_free(buffers);
    return ok;
}

bp_status bpi_place_program(bpi_program *program, bool arena) {
    place_results(program);
    if (!arena)
        return BP_OK;
    size_t steps = program->step_count;
    find_lifetimes(program, 0);
    make_direct(program);
    if (!append_copies(program))
        return BP_ERR_MEMORY;
    find_lifetimes(program, steps);
    return place_arena(program) ? BP_OK : BP_ERR_MEMORY;
}

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

/* ---- lifetimes ------------------------------------------------------------------------------- */

/* By register that is a root: the steps from which and until which its memory is needed. */
typedef struct lifetime {
    uint32_t first, last;
} lifetime;

static void extend_life(const bpi_program *p, lifetime *lives, uint32_t reg, size_t step) {
    lifetime *life = &lives[p->root[reg]];
    if (life->first == BPI_NONE)
        life->first = (uint32_t)step;
    life->last = (uint32_t)step;
}

static void find_lifetimes(const bpi_program *p, lifetime *lives, size_t from) {
    for (size_t s = from; s < p->step_count; s++) {
        const bpi_step *step = &p->steps[s];
        if (step->workspace != BPI_NONE)
            extend_life(p, lives, step->workspace, s);
        for (uint32_t k = 0; k < step->outputs; k++)
            extend_life(p, lives, step->y + k, s);
        for (int k = 0; k < step->inputs; k++)
            extend_life(p, lives, step->x[k], s);
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
        if (p->root[step->x[k]] != root)
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
static bool can_be_direct(const bpi_program *p, const lifetime *lives, const bpi_effect *effect,
                          size_t risk) {
    uint32_t value = p->root[effect->value], variable = effect->reg;
    uint32_t made = lives[value].first, read = lives[variable].last;
    return p->regs[value].home == BPI_HOME_ARENA && made != BPI_NONE && made >= risk &&
           (read == BPI_NONE || read <= made) &&
           may_overwrite(p, &p->steps[made], value - p->steps[made].y, variable);
}

static void make_direct(bpi_program *p, const lifetime *lives) {
    size_t risk = steps_at_risk(p);
    for (size_t k = 0; k < p->effect_count; k++) {
        bpi_effect *effect = &p->effects[k];
        effect->direct = can_be_direct(p, lives, effect, risk);
        if (!effect->direct)
            continue;
        bpi_reg *value = bpi_root_of(p, effect->value);
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
static uint32_t dying_operand(const bpi_program *p, const lifetime *lives, size_t s) {
    const bpi_step *step = &p->steps[s];
    if (step->outputs == 0 || bpi_root_of(p, step->y)->home != BPI_HOME_ARENA)
        return BPI_NONE;
    for (int k = 0; k < step->inputs; k++) {
        const uint32_t root = p->root[step->x[k]];
        if (lives[root].last == s && p->regs[root].home == BPI_HOME_ARENA &&
            may_overwrite(p, step, 0, root))
            return root;
    }
    return BPI_NONE;
}

/* Numbers the buffers: `buffer_of` by register; a register that is written over another shares
 * its. */
static size_t make_buffers(const bpi_program *p, const lifetime *lives, uint32_t *buffer_of,
                           bpi_buffer *buffers) {
    size_t count = 0;
    for (size_t s = 0; s < p->step_count; s++) {
        const bpi_step *step = &p->steps[s];
        uint32_t under = dying_operand(p, lives, s);
        for (uint32_t k = 0; k <= step->outputs; k++) {
            uint32_t reg = k < step->outputs ? step->y + k : step->workspace;
            if (reg == BPI_NONE || p->regs[reg].home != BPI_HOME_ARENA)
                continue;
            const lifetime life = lives[reg];
            if (under != BPI_NONE && k == 0) {
                buffer_of[reg] = buffer_of[under];
                buffers[buffer_of[reg]].last = life.last;
            } else {
                buffer_of[reg] = (uint32_t)count;
                buffers[count++] =
                    (bpi_buffer){bpi_aligned(p->regs[reg].bytes), 0, life.first, life.last};
            }
        }
    }
    return count;
}

static bool place_arena(bpi_program *p, const lifetime *lives) {
    uint32_t *buffer_of = bpi_alloc((p->reg_count + 1) * sizeof *buffer_of);
    bpi_buffer *buffers = bpi_alloc((p->reg_count + 1) * sizeof *buffers);
    bool ok = buffer_of && buffers;
    if (ok) {
        for (size_t k = 0; k < p->reg_count; k++)
            buffer_of[k] = BPI_NONE;
        size_t count = make_buffers(p, lives, buffer_of, buffers);
        ok = bpi_place_buffers(buffers, count, p->step_count, &p->arena_bytes, &p->bound_bytes);
    }
    for (size_t k = 0; k < p->reg_count && ok; k++)
        if (buffer_of[k] != BPI_NONE)
            p->regs[k].at.offset = buffers[buffer_of[k]].offset;
    bpi_free(buffer_of);
    bpi_free(buffers);
    return ok;
}

bp_status bpi_place_program(bpi_program *program) {
    const size_t steps = program->step_count;
    lifetime *lives = bpi_alloc((program->reg_count + 1) * sizeof *lives);
    for (size_t k = 0; k < program->reg_count && lives; k++)
        lives[k] = (lifetime){BPI_NONE, BPI_NONE};
    bool ok = lives != NULL;
    if (ok) {
        find_lifetimes(program, lives, 0);
        make_direct(program, lives);
        ok = append_copies(program);
    }
    if (ok) {
        find_lifetimes(program, lives, steps);
        ok = place_arena(program, lives);
    }
    bpi_free(lives);
    return ok ? BP_OK : BP_ERR_MEMORY;
}

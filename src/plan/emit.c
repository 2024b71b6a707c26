/* From a placed program to instructions: every step with its kernel, and with operands that
 * point where they are. Operands that point at a leaf are listed by leaf, so that a new
 * recording, or bp_point, only changes these. */
#include <string.h>

#include "inside.h"
#include "kernel/pool.h"
#include "record.h"
#include "short.h"

/* A call of a kernel on whole arrays: operands, then outputs, follow. */
typedef struct kernel_call {
    bp_kernel *kernel;
    bp_call call;
    uint64_t random[3]; /* seed, ordinal, step */
    bpi_sweep *sweep;   /* instead of the kernel, of a sweep */
    const int *threads; /* as bp_set_threads takes it */
    bp_array arrays[];
} kernel_call;

static bp_status run_map(const bpi_instruction *self) {
    return self->map(self->n, self->x, self->y, self->more);
}

static bp_status run_product(const bpi_instruction *self) {
    bpi_plan_product_run(self->more, self->operands, self->results);
    return BP_OK;
}

static bp_status run_chain(const bpi_instruction *self) {
    return bpi_chain_run(self->more, self->operands, self->results);
}

static bp_status run_kernel(const bpi_instruction *self) {
    const kernel_call *call = self->more;
    return call->kernel(&call->call);
}

static void sweep_part(void *context, int64_t first, int64_t n) {
    const kernel_call *call = context;
    call->sweep(&call->call, first, n);
}

static bp_status run_sweep(const bpi_instruction *self) {
    const kernel_call *call = self->more;
    bpi_pool_sweep(*call->threads, call->call.y[0].count, 1, sweep_part, (void *)call);
    return BP_OK;
}

static bp_status run_copy(const bpi_instruction *self) {
    if (self->n > 0)
        memcpy(self->y, self->x[0], self->n);
    return BP_OK;
}

/* ---- resolving ------------------------------------------------------------------------------- */

static bool emit_map(bpi_program *p, const bpi_step *step, bpi_instruction *to) {
    const bpi_kernels *kernels = step->op->kernel;
    double *attr = NULL;
    if (step->attr) {
        attr = bpi_arena_alloc(&p->memory, BP_MAX_ATTRS * sizeof *attr);
        if (!attr)
            return false;
        bpi_map_attrs(step->op, step->attr, attr);
    }
    to->run = run_map;
    to->map = bpi_map(kernels->map, p->regs[step->x[step->inputs - 1]].type->dtype);
    to->n = bpi_short_count(p, step);
    to->more = attr;
    return true;
}

static void fill_array(const bpi_program *p, bp_array *array, uint32_t reg) {
    const bp_type *type = p->regs[reg].type;
    *array = (bp_array){NULL, type, bpi_count(&type->shape)};
}

static bool emit_kernel(bpi_plan *plan, const bpi_step *step, bpi_instruction *to,
                        bp_failure *why) {
    bpi_program *p = &plan->program;
    size_t arrays = (size_t)step->inputs + step->outputs;
    kernel_call *call = bpi_arena_alloc(&p->memory, sizeof *call + arrays * sizeof *call->arrays);
    if (!call)
        return false;
    const bpi_kernels *kernels = step->op->kernel;
    *call = (kernel_call){.kernel = kernels && kernels->fast ? kernels->fast : step->op->forward,
                          .sweep = kernels ? kernels->sweep : NULL,
                          .threads = plan->threads};
    call->call = (bp_call){.op = step->op,
                           .attr = step->attr,
                           .inputs = step->inputs,
                           .outputs = step->outputs,
                           .x = call->arrays,
                           .y = call->arrays + step->inputs,
                           .random = call->random,
                           .why = why};
    for (int k = 0; k < step->inputs; k++)
        fill_array(p, &call->arrays[k], step->x[k]);
    for (uint32_t k = 0; k < step->outputs; k++)
        fill_array(p, &call->arrays[step->inputs + k], step->y + k);
    if (step->op->flags & BP_OP_RANDOM) {
        call->random[1] = bpi_random_ordinal(step->op, step->attr);
        if (!bpi_grow((void **)&plan->random_state, &plan->random_capacity, plan->random_count,
                      sizeof *plan->random_state))
            return false;
        plan->random_state[plan->random_count++] = call->random;
    }
    to->run = step->kind == BPI_STEP_SWEEP ? run_sweep : run_kernel;
    to->more = call;
    return true;
}

/* Makes room for the addresses of the operands and results of a chain or product. */
static bool add_addresses(bpi_program *p, const bpi_step *step, bpi_instruction *to) {
    const size_t count = (size_t)step->inputs + step->outputs;
    to->operands = bpi_arena_alloc(&p->memory, count * sizeof *to->operands);
    if (to->operands)
        to->results = (void **)&to->operands[step->inputs];
    return to->operands != NULL;
}

static bool emit_product(bpi_plan *plan, const bpi_step *step, bpi_instruction *to) {
    *to = (bpi_instruction){.run = run_product, .more = step->product};
    bpi_short_product_emit(&plan->program, step, to, &plan->room_bytes);
    return add_addresses(&plan->program, step, to);
}

static bool emit_chain(bpi_plan *plan, const bpi_step *step, bpi_instruction *to) {
    *to = (bpi_instruction){.run = run_chain, .more = step->chain};
    return bpi_short_chain_emit(&plan->program, step, to, &plan->room_bytes) &&
           add_addresses(&plan->program, step, to);
}

static bool emit_step(bpi_plan *plan, const bpi_step *step, bpi_instruction *to, bp_failure *why) {
    *to = (bpi_instruction){.run = run_copy};
    switch ((bpi_step_kind)step->kind) {
    case BPI_STEP_MAP: return emit_map(&plan->program, step, to);
    case BPI_STEP_SWEEP:
    case BPI_STEP_KERNEL: return emit_kernel(plan, step, to, why);
    case BPI_STEP_PRODUCT: return emit_product(plan, step, to);
    case BPI_STEP_CHAIN: return emit_chain(plan, step, to);
    case BPI_STEP_COPY: to->n = plan->program.regs[step->y].bytes; break;
    case BPI_STEP_GONE: break; /* fusion has left none */
    }
    return true;
}

/* ---- operands -------------------------------------------------------------------------------- */

/* Where the address of operand `k` of a step stands: k < inputs an operand, then the outputs,
 * then the workspace. */
static const void **operand_at(const bpi_step *step, bpi_instruction *code, int k) {
    int output = k - step->inputs;
    if (step->kind == BPI_STEP_CHAIN && output < 0)
        return bpi_short_chain_operand(code, k);
    if (step->kind == BPI_STEP_PRODUCT && output == step->outputs)
        return (const void **)&step->product->sweep->panel;
    if (step->kind == BPI_STEP_CHAIN || step->kind == BPI_STEP_PRODUCT)
        return output < 0 ? &code->operands[k] : (const void **)&code->results[output];
    if (step->kind == BPI_STEP_KERNEL || step->kind == BPI_STEP_SWEEP) {
        kernel_call *call = (kernel_call *)code->more;
        bool workspace = k == step->inputs + step->outputs;
        return workspace ? (const void **)&call->call.workspace
                         : (const void **)&call->arrays[k].data;
    }
    return k < step->inputs ? &code->x[k] : (const void **)&code->y;
}

static uint32_t reg_at(const bpi_step *step, int k) {
    if (k < step->inputs)
        return step->x[k];
    int output = k - step->inputs;
    return output < step->outputs ? step->y + (uint32_t)output : step->workspace;
}

static int operands(const bpi_step *step) {
    return step->inputs + step->outputs + (step->workspace != BPI_NONE);
}

/* The number of the leaf where operand `k` of a step is; BPI_NONE when it is elsewhere. */
static uint32_t leaf_at(const bpi_program *p, const bpi_step *step, int k) {
    const bpi_reg *root = bpi_root_of(p, reg_at(step, k));
    return root->home == BPI_HOME_LEAF ? (uint32_t)root->at.leaf : BPI_NONE;
}

void bpi_point_code(bpi_plan *plan, const char *arena) {
    const bpi_program *p = &plan->program;
    char *room = (char *)arena + p->arena_bytes;
    for (size_t s = 0; s < p->step_count; s++) {
        const bpi_step *step = &p->steps[s];
        for (int k = 0, count = operands(step); k < count; k++) {
            const uint32_t root = p->root[reg_at(step, k)];
            if (p->regs[root].home != BPI_HOME_LEAF)
                *operand_at(step, &plan->code[s], k) = bpi_reg_address(plan, root, arena);
        }
        if (bpi_is_chain(step))
            bpi_short_chain_point(&plan->code[s], room);
        if (bpi_is_product(step) && step->product->brief_run)
            bpi_short_product_point(step->product, room);
    }
    plan->base = arena;
}

/* An operand that points at a leaf. */
typedef struct leaf_use {
    const void **operand;
    uint32_t leaf;
} leaf_use;

typedef struct leaf_uses {
    leaf_use *use;
    size_t count, capacity;
} leaf_uses;

static bool note_leaf_uses(const bpi_program *p, const bpi_step *step, bpi_instruction *code,
                           leaf_uses *uses) {
    for (int k = 0; k < step->inputs; k++) {
        uint32_t leaf = leaf_at(p, step, k);
        if (leaf == BPI_NONE)
            continue;
        if (!bpi_grow((void **)&uses->use, &uses->capacity, uses->count, sizeof *uses->use))
            return false;
        uses->use[uses->count++] = (leaf_use){operand_at(step, code, k), leaf};
    }
    return true;
}

/* Sorts the operands that point at leaves by leaf, by counting. */
static bool list_uses(bpi_plan *plan, const leaf_uses *uses) {
    const size_t leaves = plan->program.leaf_count;
    size_t *start = plan->use_start = bpi_alloc_zeroed((leaves + 2) * sizeof *start);
    plan->uses = bpi_alloc((uses->count + 1) * sizeof *plan->uses);
    if (!start || !plan->uses)
        return false;
    for (size_t u = 0; u < uses->count; u++)
        start[uses->use[u].leaf + 2]++;
    for (size_t k = 2; k < leaves + 2; k++)
        start[k] += start[k - 1];
    for (size_t u = 0; u < uses->count; u++)
        plan->uses[start[uses->use[u].leaf + 1]++] = uses->use[u].operand;
    return true;
}

bp_status bpi_emit(bpi_plan *plan, bp_failure *why) {
    bpi_program *p = &plan->program;
    plan->code = bpi_alloc_aligned((p->step_count + 1) * sizeof *plan->code);
    leaf_uses uses = {0};
    bool ok = plan->code != NULL;
    for (size_t s = 0; s < p->step_count && ok; s++)
        ok = emit_step(plan, &p->steps[s], &plan->code[s], why) &&
             note_leaf_uses(p, &p->steps[s], &plan->code[s], &uses);
    ok = ok && list_uses(plan, &uses);
    bpi_free(uses.use);
    return ok ? BP_OK : BP_ERR_MEMORY;
}

/* Making a plan: a private copy of the user's graph, the extension recorded into it, and the
 * passes. */
#include <string.h>

#include "inside.h"

/* What is needed while a plan is made. */
typedef struct compilation {
    bp_graph *graph;
    const bpi_request *request;
    bpi_structure *structure;
    bp_graph *scratch;
    bp_tensor **roots; /* copies of the targets, then effects */
    int root_count;
    bpi_node **leaves; /* copies of structure->leaves */
    bpi_rewritten rewritten;
    bpi_plan *plan;
} compilation;

static bp_status fail_memory(const compilation *c) {
    bpi_graph_fail(c->graph, BP_ERR_MEMORY, "out of memory for a plan");
    return BP_ERR_MEMORY;
}

/* Hands the words of the private graph on to the user's. */
static bp_status hand_on(const compilation *c, bp_status status) {
    if (status == BP_OK)
        return BP_OK;
    bool words = c->scratch->why.status != BP_OK;
    bpi_graph_fail(c->graph, status, "%s", words ? c->scratch->why.text : bp_status_text(status));
    return status;
}

/* Copies the graph; the roots are the copies of the targets. Remembers which copies
 * stand for leaves. */
static bp_status copy_graph(compilation *c) {
    const bpi_structure *s = c->structure;
    const bpi_request *request = c->request;
    bpi_node **copies = bpi_alloc((s->closure.count + 1) * sizeof *copies);
    c->roots = bpi_alloc(((size_t)request->count + 1) * sizeof *c->roots);
    c->leaves = bpi_alloc((s->leaf_count + 1) * sizeof *c->leaves);
    bp_status status = BP_OK;
    if (!copies || !c->roots || !c->leaves)
        status = fail_memory(c);
    else
        status = hand_on(c, bpi_clone(c->scratch, &s->closure, BP_DTYPE_COUNT, copies));
    for (int k = 0; k < request->count && status == BP_OK; k++) {
        const bp_tensor *target = request->targets[k];
        c->roots[k] = &copies[target->node->slot]->y[bpi_index(target)];
    }
    for (size_t k = 0; k < s->leaf_count && status == BP_OK; k++)
        c->leaves[k] = copies[s->leaves[k]->node->slot];
    bpi_free(copies);
    return status;
}

/* Lets the extension record; its effects become roots after the targets. */
static bp_status extend(compilation *c) {
    int targets = c->request->count, effects = 0;
    bp_tensor **effect = NULL;
    c->root_count = targets;
    if (!c->request->extend)
        return BP_OK;
    bp_status status =
        c->request->extend(c->request->context, c->scratch, c->roots, &effect, &effects);
    if (status != BP_OK)
        return hand_on(c, status);
    bp_tensor **roots = bpi_realloc(c->roots, (size_t)(targets + effects + 1) * sizeof *roots);
    if (!roots)
        return fail_memory(c);
    c->roots = roots;
    if (effects > 0)
        memcpy(roots + targets, effect, (size_t)effects * sizeof *roots);
    c->root_count = targets + effects;
    return BP_OK;
}

static bp_status record_private_graph(compilation *c) {
    c->scratch->types = c->graph->types;
    bp_status status = copy_graph(c);
    if (status == BP_OK)
        status = extend(c);
    bool planned = c->graph->executor == BP_PLANNED;
    if (status == BP_OK)
        status =
            hand_on(c, bpi_rewrite(c->scratch, c->roots, c->root_count, planned, &c->rewritten));
    return status;
}

/* Takes the words of the structure over into the plan, without the room that is
 * left behind them. */
static void take_words(bpi_structure *s, bpi_plan *plan) {
    uint64_t *words = bpi_realloc(s->words, s->count * sizeof *words);
    plan->words = words ? words : s->words;
    plan->word_count = s->count;
    s->words = NULL;
    s->capacity = 0;
}

/* Makes the empty plan: its key and the arrays that binding fills. */
static bp_status make_plan(compilation *c) {
    bpi_plan *plan = c->plan = bpi_alloc_zeroed(sizeof *plan);
    if (!plan)
        return fail_memory(c);
    bpi_structure *s = c->structure;
    size_t targets = (size_t)c->request->count;
    plan->values = bpi_alloc_zeroed((targets + 1) * sizeof *plan->values);
    plan->targets = bpi_alloc_zeroed((targets + 1) * sizeof *plan->targets);
    plan->leaves = bpi_alloc_zeroed((s->leaf_count + 1) * sizeof *plan->leaves);
    plan->pointed = bpi_alloc_zeroed((s->leaf_count + 1) * sizeof *plan->pointed);
    if (!plan->values || !plan->targets || !plan->leaves || !plan->pointed)
        return fail_memory(c);
    for (size_t k = 0; k < s->leaf_count; k++)
        plan->pointed[k].bytes = bpi_type_bytes(s->leaves[k]->type);
    plan->hash = bpi_structure_hash(s);
    take_words(s, plan);
    plan->key_words = c->request->key_words;
    plan->random = s->random;
    plan->effects = s->effects;
    plan->executor = c->graph->executor;
    plan->threads = &c->graph->threads;
    return BP_OK;
}

/* Frees the private graph: the passes over the program, which do without it, find its memory. */
static void drop_private_graph(compilation *c) {
    bp_graph_free(c->scratch);
    bpi_free(c->roots);
    bpi_free(c->leaves);
    bpi_rewritten_free(&c->rewritten);
    c->scratch = NULL;
    c->roots = NULL;
    c->leaves = NULL;
}

/* The passes that the naive executor does without. */
static bp_status optimise(bpi_program *program, const int *threads) {
    bpi_uses uses;
    bp_status status = bpi_note_uses(program, &uses) ? BP_OK : BP_ERR_MEMORY;
    if (status == BP_OK)
        status = bpi_join_products(program, &uses, threads);
    if (status == BP_OK)
        status = bpi_fuse(program, &uses, threads);
    bpi_free_uses(&uses);
    return status == BP_OK ? bpi_place_program(program) : status;
}

static bp_status build_program(compilation *c) {
    bpi_program *program = &c->plan->program;
    bp_failure why = {.status = BP_OK};
    bp_status status = bpi_program_of(&c->rewritten, c->request->count, c->leaves,
                                      c->structure->leaf_count, program, &why);
    drop_private_graph(c);
    if (status != BP_OK) {
        bpi_graph_fail(c->graph, status, "%s", why.text);
        return status;
    }
    if (c->graph->executor == BP_PLANNED)
        status = optimise(program, &c->graph->threads);
    if (status != BP_OK || !(program->results = bpi_alloc_aligned(program->result_bytes)))
        return fail_memory(c);
    memset(program->results, 0, program->result_bytes);
    for (int k = 0; k < program->target_count; k++)
        c->plan->values[k] = (bpi_value){
            .data = bpi_reg_address(c->plan, program->targets[k], NULL), .plan = c->plan};
    return BP_OK;
}

bpi_plan *bpi_compile(bp_graph *graph, const bpi_request *request, bpi_structure *structure) {
    compilation c = {.graph = graph, .request = request, .structure = structure};
    c.scratch = bp_graph_new(graph->model);
    bp_status status = c.scratch ? record_private_graph(&c) : fail_memory(&c);
    if (status == BP_OK)
        status = make_plan(&c);
    if (status == BP_OK)
        status = build_program(&c);
    if (status == BP_OK && graph->executor == BP_PLANNED &&
        bpi_emit(c.plan, &graph->plans->why) != BP_OK)
        status = fail_memory(&c);
    drop_private_graph(&c);
    if (status == BP_OK)
        return c.plan;
    bpi_plan_free(c.plan);
    return NULL;
}

void bpi_plan_free(bpi_plan *plan) {
    if (!plan)
        return;
    bpi_program_free(&plan->program);
    bpi_free(plan->words);
    bpi_free(plan->values);
    bpi_free(plan->targets);
    bpi_free(plan->leaves);
    bpi_free(plan->pointed);
    bpi_free(plan->code);
    bpi_free(plan->uses);
    bpi_free(plan->use_start);
    bpi_free(plan->random_state);
    bpi_free(plan->profile);
    bpi_free(plan);
}

/* Making a plan: a private copy of the user's graph, the extension recorded into it, and the
 * passes. */
#include <string.h>

#include "inside.h"

/* What is needed while a plan is made. */
typedef struct compilation {
    bp_graph *graph;
    const bpi_request *request;
    const bpi_structure *structure;
    bp_graph *scratch;
    bp_tensor **roots; /* copies of the targets, then of the leaves; later targets, then effects */
    int root_count;
    uint32_t *leaf_of; /* by id of a node in the scratch graph */
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

/* Copies the targets, and with them the leaves, so that their copies are known. */
static bp_status copy_graph(compilation *c) {
    int targets = c->request->count;
    size_t leaves = c->structure->leaf_count;
    size_t count = (size_t)targets + leaves;
    bp_tensor **originals = bpi_alloc((count + 1) * sizeof *originals);
    c->roots = bpi_alloc((count + 1) * sizeof *c->roots);
    bp_status status = BP_ERR_MEMORY;
    if (originals && c->roots && count <= INT32_MAX) {
        memcpy(originals, c->request->targets, (size_t)targets * sizeof *originals);
        if (leaves > 0)
            memcpy(originals + targets, c->structure->leaves, leaves * sizeof *originals);
        status = bpi_clone(c->scratch, originals, (int)count, BP_DTYPE_COUNT, c->roots);
        status = hand_on(c, status);
    } else {
        fail_memory(c);
    }
    bpi_free(originals);
    return status;
}

/* Lets the extension record; its effects become roots after the targets, in place of the leaves. */
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

/* Remembers, by node id, which copy stands for which leaf. */
static bp_status number_leaves(compilation *c, uint32_t **ids) {
    size_t leaves = c->structure->leaf_count;
    *ids = bpi_alloc((leaves + 1) * sizeof **ids);
    if (!*ids)
        return fail_memory(c);
    for (size_t k = 0; k < leaves; k++)
        (*ids)[k] = c->roots[(size_t)c->request->count + k]->node->id;
    return BP_OK;
}

static bp_status map_leaves(compilation *c, const uint32_t *ids) {
    c->leaf_of = bpi_alloc((c->scratch->count + 1) * sizeof *c->leaf_of);
    if (!c->leaf_of)
        return fail_memory(c);
    memset(c->leaf_of, 0xFF, (c->scratch->count + 1) * sizeof *c->leaf_of); /* BPI_NONE */
    for (size_t k = 0; k < c->structure->leaf_count; k++)
        c->leaf_of[ids[k]] = (uint32_t)k;
    return BP_OK;
}

static bp_status record_private_graph(compilation *c) {
    uint32_t *ids = NULL;
    bp_status status = copy_graph(c);
    if (status == BP_OK)
        status = number_leaves(c, &ids);
    if (status == BP_OK)
        status = extend(c);
    bool planned = c->graph->executor == BP_PLANNED;
    if (status == BP_OK)
        status =
            hand_on(c, bpi_rewrite(c->scratch, c->roots, c->root_count, planned, &c->rewritten));
    if (status == BP_OK)
        status = map_leaves(c, ids);
    bpi_free(ids);
    return status;
}

/* Makes the empty plan: its key and the arrays that binding fills. */
static bp_status make_plan(compilation *c) {
    bpi_plan *plan = c->plan = bpi_alloc_zeroed(sizeof *plan);
    if (!plan)
        return fail_memory(c);
    const bpi_structure *s = c->structure;
    size_t targets = (size_t)c->request->count;
    plan->words = bpi_alloc((s->count + 1) * sizeof *plan->words);
    plan->values = bpi_alloc_zeroed((targets + 1) * sizeof *plan->values);
    plan->targets = bpi_alloc_zeroed((targets + 1) * sizeof *plan->targets);
    plan->leaves = bpi_alloc_zeroed((s->leaf_count + 1) * sizeof *plan->leaves);
    plan->pointed = bpi_alloc_zeroed((s->leaf_count + 1) * sizeof *plan->pointed);
    if (!plan->words || !plan->values || !plan->targets || !plan->leaves || !plan->pointed)
        return fail_memory(c);
    memcpy(plan->words, s->words, s->count * sizeof *plan->words);
    plan->word_count = s->count;
    plan->key_words = c->request->key_words;
    plan->hash = s->hash;
    plan->random = s->random;
    plan->effects = s->effects;
    plan->executor = c->graph->executor;
    return BP_OK;
}

static bp_status build_program(compilation *c) {
    bpi_program *program = &c->plan->program;
    bp_failure why = {.status = BP_OK};
    bp_status status = bpi_program_of(c->graph, &c->rewritten, c->request->count, c->leaf_of,
                                      c->structure->leaf_count, program, &why);
    if (status != BP_OK) {
        bpi_graph_fail(c->graph, status, "%s", why.text);
        return status;
    }
    bool planned = c->graph->executor == BP_PLANNED;
    if (planned)
        status = bpi_join_products(program, &c->graph->threads);
    if (planned && status == BP_OK)
        status = bpi_fuse(program, &c->graph->threads);
    if (status == BP_OK)
        status = bpi_place_program(program, planned);
    if (status != BP_OK || !(program->results = bpi_alloc_aligned(program->result_bytes)))
        return fail_memory(c);
    for (int k = 0; k < program->target_count; k++)
        c->plan->values[k].plan = c->plan;
    return BP_OK;
}

bpi_plan *bpi_compile(bp_graph *graph, const bpi_request *request, const bpi_structure *structure) {
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
    bp_graph_free(c.scratch);
    bpi_free(c.roots);
    bpi_free(c.leaf_of);
    bpi_rewritten_free(&c.rewritten);
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

/* Optimizers: a training step as one plan of loss, gradients and updates.
 *
 * The update rule of an optimizer (optim/) records ops per parameter. It does so in a scratch copy
 * of the recorded graph, on the first step with a new structure only; later
 * steps replay the plan. */
#include "optimizer.h"

#include <string.h>

#include "graph.h"
#include "plan/plan.h"

struct bp_optimizer {
    bp_optimizer *next; /* list of the model */
    bp_model *model;
    const bp_rule *rule;
    uint64_t key[2]; /* of its plans: which optimizer of the model (1, 2, ...), prefixes so far */
    char *prefix;    /* owns parameters whose names begin so; NULL: all */
    double lr;
    int64_t steps;
    double *config;
    float rates_f32[BP_MAX_RATES]; /* run-time scalars: the plan reads them here */
    double rates_f64[BP_MAX_RATES];
};

static void free_optimizer(bp_optimizer *optimizer) {
    bpi_free(optimizer->prefix);
    bpi_free(optimizer->config);
    bpi_free(optimizer);
}

void bpi_optimizers_free(bp_model *model) {
    while (model->optimizers) {
        bp_optimizer *next = model->optimizers->next;
        free_optimizer(model->optimizers);
        model->optimizers = next;
    }
}

static bool usable_rate(double rate) { return rate >= 0 && rate <= 1e300; }

/* Refuses a learning rate; returns `status`. */
static bp_status fail_rate(const bp_model *model, bp_status status, const bp_rule *rule,
                           double rate) {
    return bpi_model_fail(model, status,
                          "%s: the learning rate is %g; use a finite number that is not negative",
                          rule->name, rate);
}

bp_optimizer *bp_optimizer_new(bp_model *model, const bp_rule *rule, double lr,
                               const double *config) {
    if (!model)
        return NULL;
    if (!rule || !rule->name || !rule->update || rule->states < 0 || rule->states > BP_MAX_STATES ||
        rule->rates < 1 || rule->rates > BP_MAX_RATES || rule->configs < 0 ||
        (rule->configs > 0 && !config)) {
        bpi_model_fail(model, BP_ERR_ARGUMENT,
                       "optimizer: the rule has no name or no update, or its counts are out of "
                       "range, or its config is NULL");
        return NULL;
    }
    if (!usable_rate(lr)) {
        fail_rate(model, BP_ERR_VALUE, rule, lr);
        return NULL;
    }
    size_t bytes = (size_t)rule->configs * sizeof(double);
    bp_optimizer *optimizer = bpi_alloc_zeroed(sizeof *optimizer);
    double *numbers = bpi_alloc(bytes);
    if (!optimizer || !numbers) {
        bpi_free(optimizer);
        bpi_free(numbers);
        bpi_model_fail(model, BP_ERR_MEMORY, "%s: out of memory", rule->name);
        return NULL;
    }
    if (bytes)
        memcpy(numbers, config, bytes);
    *optimizer = (bp_optimizer){.next = model->optimizers,
                                .model = model,
                                .rule = rule,
                                .lr = lr,
                                .key = {model->optimizers ? model->optimizers->key[0] + 1 : 1},
                                .config = numbers};
    model->optimizers = optimizer;
    return optimizer;
}

bp_status bp_optimizer_own(bp_optimizer *optimizer, const char *prefix) {
    if (!optimizer)
        return BP_ERR_ARGUMENT;
    if (optimizer->steps > 0)
        return bpi_model_fail(optimizer->model, BP_ERR_STATE,
                              "bp_optimizer_own: %s has taken %lld steps; call it before the first",
                              optimizer->rule->name, (long long)optimizer->steps);
    char *copy = prefix ? bpi_alloc(strlen(prefix) + 1) : NULL;
    if (prefix && !copy)
        return bpi_model_fail(optimizer->model, BP_ERR_MEMORY, "bp_optimizer_own: out of memory");
    if (prefix)
        strcpy(copy, prefix);
    bpi_free(optimizer->prefix);
    optimizer->prefix = copy;
    optimizer->key[1]++;
    return BP_OK;
}

double bp_learning_rate(const bp_optimizer *optimizer) { return optimizer ? optimizer->lr : 0; }

bp_status bp_set_learning_rate(bp_optimizer *optimizer, double rate) {
    if (!optimizer)
        return BP_ERR_ARGUMENT;
    if (!usable_rate(rate))
        return fail_rate(optimizer->model, BP_ERR_ARGUMENT, optimizer->rule, rate);
    optimizer->lr = rate;
    return BP_OK;
}

int64_t bp_steps(const bp_optimizer *optimizer) { return optimizer ? optimizer->steps : 0; }

bp_status bp_set_steps(bp_optimizer *optimizer, int64_t steps) {
    if (!optimizer)
        return BP_ERR_ARGUMENT;
    if (steps < 0)
        return bpi_model_fail(optimizer->model, BP_ERR_ARGUMENT,
                              "bp_set_steps: %lld steps cannot have been taken", (long long)steps);
    optimizer->steps = steps;
    return BP_OK;
}

/* ---- recording the step ---------------------------------------------------------------------- */

static bool owns(const bp_optimizer *optimizer, const bpi_node *node) {
    const bpi_variable *variable = node->leaf ? node->leaf->variable : NULL;
    return variable && variable->trainable &&
           (!optimizer->prefix ||
            strncmp(variable->name, optimizer->prefix, strlen(optimizer->prefix)) == 0);
}

/* The parameters that the loss depends on and the optimizer owns, in the arena of
 * the scratch graph. */
static bp_tensor **own_parameters(const bp_optimizer *optimizer, bp_tensor *loss, int *count) {
    bp_graph *graph = loss->node->graph;
    bpi_closure closure = {0};
    if (bpi_closure_of(graph, &loss, 1, &closure) != BP_OK)
        return NULL;
    *count = 0;
    for (size_t k = 0; k < closure.count; k++)
        if (owns(optimizer, closure.nodes[k]))
            closure.nodes[(*count)++] = closure.nodes[k];
    bp_tensor **parameters = bpi_arena_alloc(&graph->arena, (size_t)*count * sizeof *parameters);
    for (int k = 0; k < *count && parameters; k++)
        parameters[k] = &closure.nodes[k]->y[0];
    bpi_free(closure.nodes);
    if (*count > 0)
        return parameters;
    const char *prefix = optimizer->prefix;
    return bpi_graph_fail(
        graph, BP_ERR_GRADIENT,
        "bp_step: the loss depends on no parameter that the optimizer owns%s%s%s; were the "
        "layers made with bp_linear or bp_parameter, and not detached?",
        prefix ? ", by bp_optimizer_own those whose names begin with \"" : "", prefix ? prefix : "",
        prefix ? "\"" : "");
}

/* A run-time scalar of the plan whose value stands in the optimizer. */
static bp_tensor *rate_scalar(bp_optimizer *optimizer, bp_graph *graph, bp_dtype dtype, int k) {
    bpi_leaf *leaf = NULL;
    bp_type type = {dtype, BP_SCALAR};
    bp_tensor *scalar = bpi_record_leaf(graph, &bpi_op_scalar, &type, BPI_SCALAR, &leaf);
    if (scalar)
        leaf->data = dtype == BP_F64 ? (const void *)&optimizer->rates_f64[k]
                                     : (const void *)&optimizer->rates_f32[k];
    return scalar;
}

/* The optimizer's rates as scalars of one dtype, recorded once per dtype. */
static bool record_rates(bp_optimizer *optimizer, bp_graph *graph, bp_dtype dtype,
                         bp_tensor **rates) {
    for (int k = 0; k < optimizer->rule->rates; k++)
        if (!rates[k] && !(rates[k] = rate_scalar(optimizer, graph, dtype, k)))
            return false;
    return true;
}

static bool state_used(const bp_optimizer *optimizer, int k) {
    const bp_rule *rule = optimizer->rule;
    return !rule->uses_state || rule->uses_state(optimizer->config, k);
}

/* State `k` for a parameter: the variable "<parameter>@<rule><serial>.<state>", zero at first. */
static bp_tensor *record_state(const bp_optimizer *optimizer, bp_tensor *parameter, int k) {
    char name[640];
    const char *state = optimizer->rule->state_names[k];
    bpi_format(name, sizeof name, "%s@%s%llu.%s", bp_name(parameter), optimizer->rule->name,
               (unsigned long long)optimizer->key[0], state ? state : "state");
    return bp_state(parameter->node->graph, name, parameter->type->dtype, parameter->type->shape,
                    (bp_init){0, 0, 0});
}

/* Records the update of one parameter, and appends its assignments. */
static bool record_update(bp_optimizer *optimizer, bp_update *u, bp_tensor **effects, int *count) {
    int states = optimizer->rule->states;
    for (int k = 0; k < states; k++) {
        u->state[k] = state_used(optimizer, k) ? record_state(optimizer, u->parameter, k) : NULL;
        u->new_state[k] = NULL;
        if (state_used(optimizer, k) && !u->state[k])
            return false;
    }
    u->new_parameter = NULL;
    optimizer->rule->update(u);
    bp_tensor *assigned = bp_assign(u->parameter, u->new_parameter);
    effects[(*count)++] = assigned;
    for (int k = 0; k < states && assigned; k++)
        if (u->state[k])
            assigned = effects[(*count)++] = bp_assign(u->state[k], u->new_state[k]);
    if (!assigned)
        bpi_graph_fail(u->graph, BP_ERR_STATE, "the update rule of %s gave no new value for \"%s\"",
                       optimizer->rule->name, bp_name(u->parameter));
    return assigned != NULL;
}

static bp_status record_step(void *context, bp_graph *graph, bp_tensor *const *copies,
                             bp_tensor ***effects, int *effect_count) {
    bp_optimizer *optimizer = context;
    int count = 0;
    bp_tensor **parameters = own_parameters(optimizer, copies[0], &count);
    size_t room = (size_t)count * (1 + BP_MAX_STATES) * sizeof(bp_tensor *);
    bp_tensor **gradients = bpi_arena_alloc(&graph->arena, (size_t)count * sizeof *gradients);
    *effects = bpi_arena_alloc(&graph->arena, room);
    if (!parameters || !gradients || !*effects) {
        bpi_graph_fail(graph, BP_ERR_MEMORY, "bp_step: out of memory");
        return graph->why.status;
    }
    bp_status status = bp_grads(copies, NULL, 1, parameters, count, gradients);
    if (status != BP_OK)
        return status;
    bp_tensor *rates[BP_DTYPE_COUNT][BP_MAX_RATES] = {{NULL}};
    *effect_count = 0;
    for (int k = 0; k < count; k++) {
        bp_dtype dtype = parameters[k]->type->dtype;
        bp_update u = {.graph = graph,
                       .config = optimizer->config,
                       .parameter = parameters[k],
                       .gradient = gradients[k]};
        if (!record_rates(optimizer, graph, dtype, rates[dtype]))
            return graph->why.status;
        memcpy(u.rate, rates[dtype], sizeof u.rate);
        if (!record_update(optimizer, &u, *effects, effect_count))
            return graph->why.status;
    }
    return BP_OK;
}

/* ---- running it ------------------------------------------------------------------------------ */

static void set_rate(bp_optimizer *optimizer, int k, double rate) {
    optimizer->rates_f64[k] = rate;
    optimizer->rates_f32[k] = (float)rate;
}

static __attribute__((noinline)) void set_scheduled_rates(bp_optimizer *optimizer) {
    const bp_rule *rule = optimizer->rule;
    double rates[BP_MAX_RATES] = {optimizer->lr};
    rule->schedule(optimizer->config, optimizer->lr, optimizer->steps + 1, rates);
    for (int k = 0; k < rule->rates; k++)
        set_rate(optimizer, k, rates[k]);
}

/* The first rate is the learning rate and the others are 0, unless the rule has a schedule. */
static void set_rates(bp_optimizer *optimizer) {
    if (optimizer->rule->schedule)
        set_scheduled_rates(optimizer);
    else
        set_rate(optimizer, 0, optimizer->lr);
}

static __attribute__((noinline)) bp_status fail_step(bp_graph *graph, const char *why) {
    bpi_graph_fail(graph, BP_ERR_ARGUMENT, "bp_step: the optimizer %s", why);
    return BP_ERR_ARGUMENT;
}

static bp_status check_step(const bp_optimizer *optimizer, const bp_tensor *loss) {
    if (!loss)
        return bpi_model_fail(optimizer ? optimizer->model : NULL, BP_ERR_ARGUMENT,
                              "bp_step: the loss is NULL; was the call that made it checked?");
    bp_graph *graph = loss->node->graph;
    if (!optimizer)
        return fail_step(graph, "is NULL; did its constructor fail?");
    return optimizer->model == graph->model ? BP_OK : fail_step(graph, "belongs to another model");
}

static bpi_request request_of(bp_optimizer *optimizer, bp_tensor *const *targets, int count) {
    return (bpi_request){.targets = targets,
                         .count = count,
                         .extend = record_step,
                         .context = optimizer,
                         .key = optimizer->key,
                         .key_words = 2};
}

static bp_status step(bp_optimizer *optimizer, bp_tensor *const *targets, int count) {
    set_rates(optimizer);
    const bpi_request request = request_of(optimizer, targets, count);
    bp_status status = bpi_run(targets[0]->node->graph, &request);
    optimizer->steps += status == BP_OK;
    return status;
}

bp_status bp_step_with(bp_optimizer *optimizer, bp_tensor *loss, bp_tensor *const *also,
                       int count) {
    enum { FEW = 16 };
    bp_tensor *few[FEW];
    bp_status status = check_step(optimizer, loss);
    if (status != BP_OK)
        return status;
    if (count < 0 || (count > 0 && !also)) {
        bpi_graph_fail(loss->node->graph, BP_ERR_ARGUMENT, "bp_step_with: %d further tensors%s",
                       count, also ? "" : " at NULL");
        return BP_ERR_ARGUMENT;
    }
    bp_tensor **targets = count < FEW ? few : bpi_alloc(((size_t)count + 1) * sizeof *targets);
    if (!targets) {
        bpi_graph_fail(loss->node->graph, BP_ERR_MEMORY, "bp_step: out of memory");
        return BP_ERR_MEMORY;
    }
    targets[0] = loss;
    for (int k = 0; k < count; k++)
        targets[k + 1] = also[k];
    status = step(optimizer, targets, count + 1);
    if (targets != few)
        bpi_free(targets);
    return status;
}

bp_status bp_step(bp_optimizer *optimizer, bp_tensor *loss) {
    bp_status status = check_step(optimizer, loss);
    return status == BP_OK ? step(optimizer, &loss, 1) : status;
}

const char *bp_step_text(bp_optimizer *optimizer, bp_tensor *loss) {
    if (check_step(optimizer, loss) != BP_OK)
        return NULL;
    bpi_request request = request_of(optimizer, &loss, 1);
    return bpi_request_plan_text(loss->node->graph, &request);
}

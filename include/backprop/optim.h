/* Optimizers: an update rule per parameter, recorded as graph, so that it is compiled into the plan
 * of a training step. */
#ifndef BACKPROP_OPTIM_H
#define BACKPROP_OPTIM_H

#include <backprop/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One training step: evaluates the scalar `loss`, its gradients with respect to every parameter of
 * the model that it depends on and that the optimizer owns, and applies the update, all as one
 * plan. Reading the loss (or another tensor evaluated with it) afterwards, also by bp_eval, gives
 * this step's value, from before the update, until something that it depends on is written;
 * what was not evaluated with the step is computed with the new parameters. Advances the model's
 * step counter. On failure nothing is updated. */
BP_API bp_status bp_step(bp_optimizer *optimizer, bp_tensor *loss);
/* As bp_step, and evaluates further tensors (e.g. the logits) in the same run. */
BP_API bp_status bp_step_with(bp_optimizer *optimizer, bp_tensor *loss, bp_tensor *const *also,
                              int count);
/* Returns the plan of a training step as text, as bp_plan_text does for
 * tensors. NULL on failure. */
BP_API const char *bp_step_text(bp_optimizer *optimizer, bp_tensor *loss);
/* Restricts an optimizer to parameters whose full name begins with `prefix`, e.g. "enc." for what
 * was made in the scope "enc"; NULL: all, as by default. A second call replaces the first; after
 * the first step it is too late, BP_ERR_STATE. Two optimizers of a model may own the same
 * parameter. */
BP_API bp_status bp_optimizer_own(bp_optimizer *optimizer, const char *prefix);
/* Reads and sets the learning rate: a run-time value, no new plan. */
BP_API double bp_learning_rate(const bp_optimizer *optimizer);
BP_API bp_status bp_set_learning_rate(bp_optimizer *optimizer, double rate);
/* Returns the number of steps taken, and sets it: a training that was stopped goes on when the
 * parameters, the state and the number are what they were, for Adam corrects its means by it. The
 * state of an optimizer is variables of the model, "<parameter>@<rule><n>.<name>" for its n-th
 * optimizer, made by the first step or by bp_step_text: after that, bp_model_write gives them
 * values. BP_ERR_ARGUMENT when negative. */
BP_API int64_t bp_steps(const bp_optimizer *optimizer);
BP_API bp_status bp_set_steps(bp_optimizer *optimizer, int64_t steps);

/* Stochastic gradient descent: v ← μ v + g;  w ← w - lr v  (μ = 0: w ← w - lr g). With Nesterov
 * w ← w - lr (g + μ v). weight_decay λ adds λ w to g. As in PyTorch (dampening 0). */
typedef struct bp_sgd_config {
    double lr;           /* 0.01 */
    double momentum;     /* 0; in [0, 1) */
    bool nesterov;       /* false */
    double weight_decay; /* 0 */
} bp_sgd_config;
BP_API bp_sgd_config bp_sgd_defaults(void);
/* Makes an optimizer of the model, which owns it. NULL for `config` means the defaults. Returns
 * NULL on a bad configuration or when memory is short; bp_model_error says which. */
BP_API bp_optimizer *bp_sgd(bp_model *model, const bp_sgd_config *config);

/* Adam (Kingma and Ba 2015): m ← β1 m + (1-β1) g;  v ← β2 v + (1-β2) g²;
 * w ← w - lr (m / (1-β1ᵗ)) / (√(v / (1-β2ᵗ)) + ε). */
typedef struct bp_adam_config {
    double lr;           /* 0.001 */
    double beta1, beta2; /* 0.9, 0.999 */
    double epsilon;      /* 1e-8; positive */
    double weight_decay; /* 0; decoupled (Loshchilov and Hutter 2019): w ← w - lr λ w first */
} bp_adam_config;
BP_API bp_adam_config bp_adam_defaults(void);
BP_API bp_optimizer *bp_adam(bp_model *model, const bp_adam_config *config);

/* ---- a rule of your own ---------------------------------------------------------------------- */

#define BP_MAX_STATES 4
#define BP_MAX_RATES 8

/* What an update rule sees for one parameter. It records ops: new_parameter, and new_state[k] for
 * every state. Rates are run-time scalars of the parameter's dtype: rate[0] is
 * the learning rate. */
typedef struct bp_update {
    bp_graph *graph;
    const double *config; /* as given to bp_optimizer_new; fixed for the optimizer's life */
    bp_tensor *parameter, *gradient;
    bp_tensor *state[BP_MAX_STATES];
    bp_tensor *rate[BP_MAX_RATES];
    bp_tensor *new_parameter;
    bp_tensor *new_state[BP_MAX_STATES];
} bp_update;

typedef struct bp_rule {
    const char *name;
    const char *formula;
    int configs; /* how many numbers */
    int states;  /* zero-initialised tensors of the parameter's shape, of the model */
    const char *state_names[BP_MAX_STATES];
    bool (*uses_state)(const double *config, int state); /* NULL: all are used */
    int rates;                                           /* run-time scalars, at least 1 */
    /* Fills rate[0..rates) before step number `step` (1, 2, ...); NULL: rate[0] = lr. */
    void (*schedule)(const double *config, double lr, int64_t step, double *rate);
    void (*update)(bp_update *u);
} bp_rule;

/* Makes an optimizer from a rule, which must outlive the model; `config` has
 * rule->configs numbers. */
BP_API bp_optimizer *bp_optimizer_new(bp_model *model, const bp_rule *rule, double lr,
                                      const double *config);
/* Returns the words of the last failure of a call on the model or on one of its optimizers (what
 * runs or records fails in the graph: bp_error); "" when there was none. */
BP_API const char *bp_model_error(const bp_model *model);

#ifdef __cplusplus
}
#endif
#endif

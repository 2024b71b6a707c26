/* Models, graphs and tensors: record a computation, give it inputs, read its
 * values, differentiate it.
 *
 * Ownership: a model is freed by its owner after the graphs and before nothing else; a graph owns
 * its tensors, which die with bp_graph_free or bp_graph_reset. There is nothing to free per tensor.
 *
 * Errors: functions that record return NULL on failure and the graph keeps the first failure; an op
 * given NULL returns NULL, so calls can be chained and checked once with bp_failed. Functions that
 * do something return a bp_status, and the words are at bp_error, or at bp_model_error where they
 * take a model or an optimizer and no tensor.
 *
 * Threads: a graph is used by one thread at a time. Several graphs may evaluate over one model at
 * the same time; stepping an optimizer, or creating parameters, excludes other
 * uses of the model. */
#ifndef BACKPROP_GRAPH_H
#define BACKPROP_GRAPH_H

#include <backprop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- lifetimes ------------------------------------------------------------------------------- */

/* Makes an empty model. Returns NULL when memory is short. Free it with bp_model_free. */
BP_API bp_model *bp_model_new(void);
/* Frees a model, its parameters, state and optimizers. Free its graphs first. NULL is allowed. */
BP_API void bp_model_free(bp_model *model);

/* Makes an empty graph over a model, which must outlive it. Returns NULL when memory is short or
 * `model` is NULL. Free it with bp_graph_free. */
BP_API bp_graph *bp_graph_new(bp_model *model);
/* Frees a graph and all its tensors. NULL is allowed. */
BP_API void bp_graph_free(bp_graph *graph);
/* Forgets what was recorded, and the failure if there was one, so that a computation can be
 * recorded anew: all tensors of the graph become invalid, scopes are closed and bp_share is off.
 * Compiled plans are kept, and found again when the same structure is recorded; executor, threads
 * and profiling stay as they were set. */
BP_API void bp_graph_reset(bp_graph *graph);

/* ---- failures -------------------------------------------------------------------------------- */

/* Tells whether recording or running has failed since the graph was made, reset or cleared. */
BP_API bool bp_failed(const bp_graph *graph);
/* Returns the first failure in words: op, operands, shapes and the likely fix; "" when there is
 * none. Valid until the next call that changes the graph. NULL gives a text that says so. */
BP_API const char *bp_error(const bp_graph *graph);
/* Returns the status of the first failure; BP_OK when there is none. */
BP_API bp_status bp_error_status(const bp_graph *graph);
/* Forgets the failure; the tensors recorded so far stay valid. */
BP_API void bp_clear_error(bp_graph *graph);

/* ---- leaves ---------------------------------------------------------------------------------- */

/* Records an input whose values are given later by bp_write or bp_point. The name must be new in
 * this recording. Initially all zeros. */
BP_API bp_tensor *bp_input(bp_graph *graph, const char *name, bp_dtype dtype, bp_shape shape);
/* Copies values into an input: `data` holds as many elements of the tensor's dtype as its shape
 * says, in row-major order. */
BP_API bp_status bp_write(bp_tensor *input, const void *data);
/* Makes an input read its values from `data` at every run, without a copy. The memory stays the
 * caller's, must outlive its use, and be aligned to its element size. Calling it again, or
 * bp_touch, says that the values have changed. */
BP_API bp_status bp_point(bp_tensor *input, const void *data);
/* Says that memory given by bp_point has changed. */
BP_API bp_status bp_touch(bp_tensor *input);

/* Records a constant: the values are copied now, and the compiler may fold them. */
BP_API bp_tensor *bp_constant(bp_graph *graph, bp_dtype dtype, bp_shape shape, const void *data);
/* Records a constant whose elements all have one value. */
BP_API bp_tensor *bp_full(bp_graph *graph, bp_dtype dtype, bp_shape shape, double value);
/* Records a scalar that is given at run time: it may change from one recording to the next without
 * a new plan. */
BP_API bp_tensor *bp_scalar(bp_graph *graph, bp_dtype dtype, double value);
/* Changes the value of a scalar made by bp_scalar. */
BP_API bp_status bp_set_scalar(bp_tensor *scalar, double value);

/* How the elements of a new parameter are drawn; see nn.h for the initialisers. */
typedef struct bp_init {
    int kind; /* one of enum bp_init_kind */
    double a, b;
} bp_init;

/* Records a parameter of the model: made on first use with `init`, found by its full name
 * afterwards. The full name is the names of the open scopes and `name`, joined by '.'. Recording
 * the same name twice in one recording is an error unless bp_share is on; so is another shape or
 * dtype, and the name of a value that bp_state made. */
BP_API bp_tensor *bp_parameter(bp_graph *graph, const char *name, bp_dtype dtype, bp_shape shape,
                               bp_init init);
/* As bp_parameter, for a value of any dtype that lasts and is saved but that no optimizer trains. */
BP_API bp_tensor *bp_state(bp_graph *graph, const char *name, bp_dtype dtype, bp_shape shape,
                           bp_init init);
/* Allows (or forbids again) that one parameter is recorded more than once: weight sharing. */
BP_API void bp_share(bp_graph *graph, bool allowed);
/* Opens and closes a scope: a prefix for the names of parameters. */
BP_API void bp_scope_open(bp_graph *graph, const char *name);
BP_API void bp_scope_close(bp_graph *graph);

/* When the graph runs, `state` takes the value of `value` (same shape and dtype), after every
 * reader of its old value. Runs with the next bp_eval or bp_step that includes the returned tensor,
 * which is the new value: a gradient flows through it into `value`, and none into `state`. */
BP_API bp_tensor *bp_assign(bp_tensor *state, bp_tensor *value);

/* ---- tensors --------------------------------------------------------------------------------- */

/* Gives a tensor a name for messages, drawings and bp_find; returns the tensor.
 * The text is copied. */
BP_API bp_tensor *bp_named(bp_tensor *tensor, const char *name);
/* Returns the name, or "" when it has none. */
BP_API const char *bp_name(const bp_tensor *tensor);
/* Returns the tensor of this recording with that name (an input, a parameter by its full name, or
 * one named by bp_named); NULL when there is none, which is not a failure of the graph. */
BP_API bp_tensor *bp_find(bp_graph *graph, const char *name);
BP_API bp_dtype bp_tensor_dtype(const bp_tensor *tensor);
BP_API bp_shape bp_tensor_shape(const bp_tensor *tensor);
/* Returns the number of elements; 0 for NULL. */
BP_API int64_t bp_tensor_count(const bp_tensor *tensor);
BP_API bp_graph *bp_tensor_graph(const bp_tensor *tensor);
/* Returns output `index` of the node that `tensor` belongs to; NULL when there
 * is no such output. */
BP_API bp_tensor *bp_output(bp_tensor *tensor, int index);

/* ---- values ---------------------------------------------------------------------------------- */

/* Computes the values of several tensors in one run. Values that are still fresh are not computed
 * again. */
BP_API bp_status bp_eval(bp_tensor *const *tensors, int count);
/* Returns the values, computed if need be, in row-major order; NULL on failure. The memory is the
 * graph's and holds until the graph runs again or is reset. */
BP_API const void *bp_data(bp_tensor *tensor);
/* As bp_data, for a tensor of that dtype; NULL (and a failure) for another. */
BP_API const float *bp_f32(bp_tensor *tensor);
BP_API const double *bp_f64(bp_tensor *tensor);
/* Copies the values into `data`, which has room for `bytes`; a failure when that is too few. */
BP_API bp_status bp_read(bp_tensor *tensor, void *data, size_t bytes);
/* Returns the value of a tensor with one element as a double; NaN on failure. */
BP_API double bp_item(bp_tensor *tensor);

/* ---- gradients ------------------------------------------------------------------------------- */

/* Records the gradient of a scalar with respect to a tensor: the result is an ordinary tensor of
 * the shape of `wrt`, and can be differentiated again. A `loss` that does not depend on `wrt` has
 * the gradient zero. A loss that is no scalar is an error: use bp_grads with a cotangent. */
BP_API bp_tensor *bp_grad(bp_tensor *loss, bp_tensor *wrt);
/* Records the gradients of Σ_k <cotangents[k], targets[k]> with respect to `wrt[0..wrt_count)` into
 * `gradients`. `cotangents` may be NULL, or have NULL entries, where the target is a scalar: 1. */
BP_API bp_status bp_grads(bp_tensor *const *targets, bp_tensor *const *cotangents, int target_count,
                          bp_tensor *const *wrt, int wrt_count, bp_tensor **gradients);

/* ---- how it runs ----------------------------------------------------------------------------- */

typedef enum bp_executor {
    /* compiled: simplified, placed in one arena, optimised kernels; what falls below the smallest
     * normal number is 0, where a CPU would take a hundred cycles for each of them: results,
     * intermediate ones, and so what follows from these (exp(-95) * 1e30 in f32 is 0) */
    BP_PLANNED = 0,
    BP_NAIVE = 1 /* one op at a time, fresh buffers poisoned with NaN, reference kernels */
} bp_executor;

/* Chooses how the graph runs from now on. A new one is planned, or naive where the environment
 * variable BP_EXECUTOR is "naive": to see whether it is an optimisation that goes wrong. A value
 * that is no executor is a failure of the graph. */
BP_API void bp_set_executor(bp_graph *graph, bp_executor executor);
/* Sets the number of threads that runs of this graph may use; 0, the default, means as many as the
 * process may use physical cores, by affinity and cgroup. The number changes no bit of a result. A
 * negative one is a failure of the graph. */
BP_API void bp_set_threads(bp_graph *graph, int threads);
/* Sets the seed that parameters are initialised from (default 0), for parameters made from now on,
 * and that random ops (dropout) of the model's graphs draw from. */
BP_API void bp_seed(bp_model *model, uint64_t seed);
/* Advances the step counter of the model, so that random ops draw anew. Stepping an optimizer does
 * it too; nothing else does. Excludes other uses of the model, as stepping does. */
BP_API void bp_tick(bp_model *model);

/* Returns the plan for these targets as text: a line per instruction with operands, arena offsets,
 * bytes and flops, then totals. The text is the graph's until the next such
 * call. NULL on failure. */
BP_API const char *bp_plan_text(bp_tensor *const *targets, int count);
/* Returns the recorded graph behind a tensor as text, a line per node. As
 * bp_plan_text otherwise. */
BP_API const char *bp_graph_text(bp_tensor *tensor);

/* Measures, from now on until switched off, the time of every instruction of the graph's planned
 * runs; switching it on forgets what was measured before. Costs some 50 ns an instruction. */
BP_API bp_status bp_profile(bp_graph *graph, bool on);
/* Returns what was measured, for every plan that ran: per instruction the time of one run, its
 * share, GFLOP/s, GB/s (operands and results once each), and what it is made of; as a table, and as
 * a JSON array of plans with their steps, in seconds, flops and bytes of one run. As
 * bp_plan_text otherwise. */
BP_API const char *bp_profile_text(bp_graph *graph);
BP_API const char *bp_profile_json(bp_graph *graph);

/* ---- the model's values ---------------------------------------------------------------------- */

/* Returns the number of parameters and other state of a model. */
BP_API int bp_model_count(const bp_model *model);
/* Returns the full name of variable `index` (in the order in which they were made);
 * NULL past the end. */
BP_API const char *bp_model_name(const bp_model *model, int index);
/* Fills `type` and tells whether a variable of that full name exists. `type` may be NULL. */
BP_API bool bp_model_type(const bp_model *model, const char *name, bp_type *type);
/* Copies the values of a variable out or in; `bytes` must be its size. The words of a failure are
 * at bp_model_error. */
BP_API bp_status bp_model_read(const bp_model *model, const char *name, void *data, size_t bytes);
BP_API bp_status bp_model_write(bp_model *model, const char *name, const void *data, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif

/* The model: named variables, the clock of changes, seed and step of random ops. */
#include <stdatomic.h>
#include <string.h>

#include "derived.h"
#include "graph.h"
#include "optimizer.h"

bp_model *bp_model_new(void) {
    bp_model *model = bpi_alloc_zeroed(sizeof *model);
    if (model && pthread_mutex_init(&model->lock, NULL) != 0) {
        bpi_free(model);
        return NULL;
    }
    return model;
}

static void free_variable(bpi_variable *variable) {
    if (variable && variable->alone)
        bpi_free(variable);
}

void bp_model_free(bp_model *model) {
    if (!model)
        return;
    bpi_optimizers_free(model);
    bpi_derived_free(model);
    for (size_t k = 0; k < model->count; k++)
        free_variable(model->variables[k]);
    bpi_types_free(&model->types);
    bpi_arena_free(&model->arena);
    bpi_free(model->variables);
    bpi_name_free(&model->names);
    pthread_mutex_destroy(&model->lock);
    bpi_free(model);
}

uint64_t bpi_clock(bp_model *model) { return atomic_fetch_add(&model->clock, 1) + 1; }

void bp_seed(bp_model *model, uint64_t seed) {
    if (!model)
        return;
    model->seed = seed;
    model->step_stamp = bpi_clock(model);
}

void bp_tick(bp_model *model) {
    if (!model)
        return;
    model->step++; /* without a lock, as the clock: nobody else uses the model meanwhile */
    model->step_stamp = atomic_load_explicit(&model->clock, memory_order_relaxed) + 1;
    atomic_store_explicit(&model->clock, model->step_stamp, memory_order_relaxed);
}

const char *bp_model_error(const bp_model *model) {
    return model ? model->why.text : "the model is NULL: bp_model_new failed, or was not called";
}

bp_status bpi_model_fail(const bp_model *model, bp_status status, const char *format, ...) {
    if (!model)
        return status;
    va_list args;
    va_start(args, format);
    bpi_vfail((bp_failure *)&model->why, status, format, args);
    va_end(args);
    return status;
}

/* ---- variables ------------------------------------------------------------------------------- */

bpi_variable *bpi_variable_find(const bp_model *model, const char *name, uint64_t hash) {
    pthread_mutex_t *lock = (pthread_mutex_t *)&model->lock;
    pthread_mutex_lock(lock);
    bpi_variable *found = bpi_name_find(&model->names, name, hash);
    pthread_mutex_unlock(lock);
    return found;
}

/* Adds a variable unless another thread has just made one of this name. Returns the one that there
 * is; NULL without memory. */
static bpi_variable *add_locked(bp_model *model, bpi_variable *variable, uint64_t hash) {
    if (!bpi_grow((void **)&model->variables, &model->capacity, model->count,
                  sizeof *model->variables))
        return NULL;
    bpi_variable *named = bpi_name_add(&model->names, variable->name, hash, variable);
    if (named == variable)
        model->variables[model->count++] = variable;
    return named;
}

/* Memory for a variable, 64-byte aligned: of its own when it is large, else of the model; and its
 * type, interned. NULL without memory. */
static bpi_variable *variable_memory(bp_model *model, size_t bytes, bool alone,
                                     const bp_type **type) {
    pthread_mutex_lock(&model->lock);
    *type = bpi_type_intern(&model->types, *type);
    bpi_variable *own = !*type || alone ? NULL : bpi_arena_alloc_aligned(&model->arena, bytes);
    pthread_mutex_unlock(&model->lock);
    return *type && alone ? bpi_alloc_aligned(bytes) : own;
}

static bpi_variable *make_variable(bp_model *model, const char *name, const bp_type *type,
                                   bool trainable) {
    enum { SMALL = 2048 };
    size_t bytes = (size_t)bpi_count(&type->shape) * bp_dtype_size(type->dtype);
    size_t room = (bytes + 63) / 64 * 64; /* for whole vectors */
    size_t name_bytes = strlen(name) + 1;
    size_t before = (sizeof(bpi_variable) + name_bytes + 63) / 64 * 64;
    bool alone = before + room > SMALL;
    bpi_variable *variable = variable_memory(model, before + room, alone, &type);
    if (!variable)
        return NULL;
    *variable = (bpi_variable){
        .type = type, .data = (char *)variable + before, .trainable = trainable, .alone = alone};
    memcpy(variable->name, name, name_bytes);
    memset(variable->data, 0, room);
    return variable;
}

bpi_variable *bpi_variable_new(bp_model *model, const char *name, uint64_t hash,
                               const bp_type *type, bp_init init, bool trainable) {
    bpi_variable *variable = make_variable(model, name, type, trainable);
    if (variable)
        variable->hash = hash;
    if (variable &&
        bpi_init_fill(init, model->seed, name, type, variable->data, &model->why) != BP_OK) {
        free_variable(variable);
        return NULL;
    }
    pthread_mutex_lock(&model->lock);
    bpi_variable *named = variable ? add_locked(model, variable, hash) : NULL;
    pthread_mutex_unlock(&model->lock);
    if (!named)
        bpi_fail(&model->why, BP_ERR_MEMORY, "out of memory for parameter \"%s\"", name);
    if (named != variable)
        free_variable(variable);
    else if (variable)
        variable->stamp = bpi_clock(model);
    return named;
}

/* ---- what a program sees of the variables ---------------------------------------------------- */

int bp_model_count(const bp_model *model) { return model ? (int)model->count : 0; }

const char *bp_model_name(const bp_model *model, int index) {
    return model && index >= 0 && (size_t)index < model->count ? model->variables[index]->name
                                                               : NULL;
}

static bpi_variable *find_named(const bp_model *model, const char *name) {
    return model && name ? bpi_variable_find(model, name, bpi_hash_name(name)) : NULL;
}

bool bp_model_type(const bp_model *model, const char *name, bp_type *type) {
    bpi_variable *variable = find_named(model, name);
    if (variable && type)
        *type = *variable->type;
    return variable != NULL;
}

/* Finds a variable to copy `bytes` bytes from or to `data`. */
static bp_status find_sized(const bp_model *model, const char *name, const void *data, size_t bytes,
                            bpi_variable **found) {
    if (!model)
        return BP_ERR_ARGUMENT;
    bpi_variable *variable = *found = find_named(model, name);
    if (!variable)
        return bpi_model_fail(model, BP_ERR_NAME, "the model has no variable \"%s\"",
                              name ? name : "");
    size_t size =
        (size_t)bp_shape_count(variable->type->shape) * bp_dtype_size(variable->type->dtype);
    if (size != bytes)
        return bpi_model_fail(model, BP_ERR_SHAPE, "\"%s\" has %zu bytes, not %zu", name, size,
                              bytes);
    if (!data && bytes > 0)
        return bpi_model_fail(model, BP_ERR_ARGUMENT, "the data for \"%s\" is NULL", name);
    return BP_OK;
}

bp_status bp_model_read(const bp_model *model, const char *name, void *data, size_t bytes) {
    bpi_variable *variable;
    bp_status status = find_sized(model, name, data, bytes, &variable);
    if (status == BP_OK && bytes > 0)
        memcpy(data, variable->data, bytes);
    return status;
}

bp_status bp_model_write(bp_model *model, const char *name, const void *data, size_t bytes) {
    bpi_variable *variable;
    bp_status status = find_sized(model, name, data, bytes, &variable);
    if (status != BP_OK)
        return status;
    if (bytes > 0)
        memcpy(variable->data, data, bytes);
    variable->stamp = bpi_clock(model);
    return BP_OK;
}

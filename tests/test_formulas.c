/* Formulas and samples: the parser, values on scalars and arrays, and that the formulas of every op
 * are what its kernel computes and what its VJP rule records. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "registry.h"
#include "suite.h"
#include "verify/array.h"
#include "verify/condition.h"
#include "verify/formula.h"
#include "verify/sample.h"

/* ---- the parser ------------------------------------------------------------------------------ */

static long double value_of(const char *text) {
    bpi_formula formula;
    bp_failure why = {0};
    bpi_binding x[] = {{"x", 3}, {"y", -2}, {"x", 5}};
    long double value = NAN;
    ck_assert_msg(bpi_formula_parse(text, true, &formula, &why) == BP_OK, "%s", why.text);
    ck_assert_int_eq(formula.count, 1);
    ck_assert_msg(bpi_expr_value(formula.statements[0].value, x, 3, &value, &why) == BP_OK, "%s",
                  why.text);
    bpi_formula_free(&formula);
    return value;
}

START_TEST(operators_bind_as_in_arithmetic) {
    static const struct {
        const char *text;
        double value;
    } cases[] = {{"1 + 2 * 3", 7},
                 {"(1 + 2) * 3", 9},
                 {"10 - 4 - 3", 3},
                 {"24 / 4 / 3", 2},
                 {"-2^2", -4},
                 {"(-2)^2", 4},
                 {"2^3^2", 512},
                 {"2^-1", 0.5},
                 {"2 * -3", -6},
                 {"--4", 4},
                 {"1e-3 * 2.5E+3", 2.5},
                 {".5 + 5.", 5.5},
                 {"x", 5},
                 {"x * y", -10},
                 {"1 < 2", 1},
                 {"2 <= 1", 0},
                 {"2 >= 2", 1},
                 {"3 != 3", 0},
                 {"3 == 3", 1},
                 {"x > y ? 7 : 8", 7},
                 {"x < y ? 7 : x == 5 ? 9 : 10", 9},
                 {"max(x, y)", 5},
                 {"min(2, max(x, 3))", 2},
                 {"abs(y) + sign(y)", 1},
                 {"relu(y) + relu(x)", 5},
                 {"floor(-1.5)", -2}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
        ck_assert_msg((double)value_of(cases[k].text) == cases[k].value, "%s is %Lg", cases[k].text,
                      value_of(cases[k].text));
    ck_assert_double_eq_tol((double)value_of("sin(pi / 6)"), 0.5, 1e-15);
    ck_assert_double_eq_tol((double)value_of("softplus(1000)"), 1000, 1e-12);
    ck_assert_double_eq_tol((double)value_of("sigmoid(-1000)"), 0, 1e-300);
    ck_assert(isnan((double)value_of("max(0 / 0, 1)")));
    ck_assert(isnan((double)value_of("min(1, 0 / 0)")));
}
END_TEST

START_TEST(the_side_that_is_not_chosen_is_not_evaluated) {
    ck_assert_double_eq((double)value_of("1 ? 2 : unknown_name"), 2);
}
END_TEST

START_TEST(statements_bind_names_in_turn) {
    bpi_formula formula;
    bpi_binding bindings[4] = {{"x", 2}};
    int count = 1;
    ck_assert_int_eq(bpi_formula_parse("s = x + 1; y = s * s; z = y - x", false, &formula, NULL),
                     BP_OK);
    ck_assert_int_eq(formula.count, 3);
    ck_assert_int_eq(bpi_formula_values(&formula, bindings, &count, NULL), BP_OK);
    ck_assert_int_eq(count, 4);
    ck_assert_double_eq((double)bindings[3].value, 7);
    ck_assert_ptr_nonnull(bpi_formula_find(&formula, "s"));
    ck_assert_ptr_null(bpi_formula_find(&formula, "x"));
    bpi_formula_free(&formula);
}
END_TEST

START_TEST(matrix_formulas_parse_but_have_no_scalar_value) {
    bpi_formula formula;
    bpi_binding bindings[8] = {{"x", 1}, {"g", 1}, {"i", 0}};
    int count = 3;
    ck_assert_int_eq(bpi_formula_parse("gx = g @ x'; gy = x' @ g; z = x[i, i + 1]' @ sum(g, 0)",
                                       false, &formula, NULL),
                     BP_OK);
    ck_assert_int_eq(formula.statements[0].value->kind, BPI_EXPR_MATMUL);
    ck_assert_int_eq(formula.statements[0].value->arg[1]->kind, BPI_EXPR_TRANSPOSE);
    bp_failure why = {0};
    ck_assert_int_eq(bpi_formula_values(&formula, bindings, &count, &why), BP_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(why.text, "matrix product"));
    bpi_formula_free(&formula);
}
END_TEST

START_TEST(what_is_no_formula_is_refused_with_words) {
    static const char *const wrong[] = {
        "x +",     "= 3",         "y = ",  "y = 1;",  "y = (1",      "y = 1)",      "y = f(1,",
        "y = f(1", "y = 1 2",     "y 3",   "y = x[1", "y = a ? b",   "y = a ? b :", "y = $",
        "3 = x",   "y = 1 + * 2", "y = ;", "; y = 1", "y = x ? : 2", "y = e1 e2"};
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        bpi_formula formula;
        bp_failure why = {0};
        ck_assert_msg(bpi_formula_parse(wrong[k], false, &formula, &why) == BP_ERR_FORMAT, "\"%s\"",
                      wrong[k]);
        ck_assert_msg(strlen(why.text) > 10, "\"%s\": %s", wrong[k], why.text);
        ck_assert_int_eq(formula.count, 0);
        bpi_formula_free(&formula);
    }
}
END_TEST

/* Whatever is nested, and however long it is, the stack does not grow with it. */
START_TEST(nesting_is_bounded) {
    static const char *const units[] = {"(",     "-",  "1 ? 1 : ", "f(", "1^",
                                        "1 + (", "x[", "1 +",      "x'"};
    for (size_t k = 0; k < sizeof units / sizeof units[0]; k++) {
        enum { REPEATS = 20000 };
        size_t length = strlen(units[k]);
        char *text = calloc(1, length * REPEATS + 8);
        for (int i = 0; i < REPEATS; i++)
            memcpy(text + length * (size_t)i, units[k], length);
        bpi_formula formula;
        ck_assert_int_eq(bpi_formula_parse(text, true, &formula, NULL), BP_ERR_FORMAT);
        bpi_formula_free(&formula);
        free(text);
    }
}
END_TEST

START_TEST(unknown_names_and_functions_are_named) {
    bpi_formula formula;
    bp_failure why = {0};
    long double value;
    bpi_formula_parse("mystery; mystery(1); exp(1, 2)", true, &formula, NULL);
    for (int k = 0; k < 3; k++) {
        why.status = BP_OK;
        ck_assert_int_eq(bpi_expr_value(formula.statements[k].value, NULL, 0, &value, &why),
                         BP_ERR_NAME);
        ck_assert_ptr_nonnull(strstr(why.text, k < 2 ? "mystery" : "exp"));
    }
    bpi_formula_free(&formula);
    ck_assert(bpi_formula_function("exp", 1));
    ck_assert(!bpi_formula_function("exp", 2));
    ck_assert(bpi_formula_function("max", -1));
}
END_TEST

/* ---- samples --------------------------------------------------------------------------------- */

static const bp_op three = {.name = "three",
                            .arity = 3,
                            .operands = {{"x", false}, {"y", false}, {"index", true}},
                            .attrs = {{"axes", BP_ATTR_INTS},
                                      {"rate", BP_ATTR_REAL},
                                      {"keep", BP_ATTR_INT},
                                      {"dtype", BP_ATTR_DTYPE}},
                            .kinks = "x - y",
                            .domain = "x > 0; y < 3"};

START_TEST(a_sample_says_shapes_dtypes_and_attributes) {
    bpi_sample s;
    bp_failure why = {0};
    const char *text = "[2,3](0.5,2) [3] []:i64<4 | axes=(0,-1) rate=0.25 keep=true dtype=float";
    ck_assert_msg(bpi_sample_parse(&three, text, &s, &why) == BP_OK, "%s", why.text);
    ck_assert_int_eq(s.inputs, 3);
    ck_assert(bp_shape_equal(s.x[0].type.shape, BP_SHAPE(2, 3)));
    ck_assert_int_eq(s.x[2].type.dtype, BP_I64);
    ck_assert_int_eq(s.attr[0].count, 2);
    ck_assert_int_eq(s.attr[0].as.list[1], -1);
    ck_assert_double_eq(s.attr[1].as.f, 0.25);
    ck_assert_int_eq(s.attr[2].as.i, 1);
    ck_assert(s.attr_float[3]);
    ck_assert_msg(bpi_sample_draw(&s, 7, &why) == BP_OK, "%s", why.text);
    for (int i = 0; i < 6; i++) {
        ck_assert(s.x[0].values[i] >= 0.5 && s.x[0].values[i] <= 2);
        ck_assert(fabs(s.x[0].values[i] - s.x[1].values[i % 3]) >= 0.05);
        ck_assert((double)(float)s.x[0].values[i] == s.x[0].values[i]);
        ck_assert(s.x[1].values[i % 3] <= 2.95);
    }
    ck_assert(s.x[2].values[0] >= 0 && s.x[2].values[0] <= 3);
    bpi_sample_free(&s);
}
END_TEST

START_TEST(draws_repeat_with_the_seed_and_differ_without) {
    bpi_sample a, b, c;
    const char *text = "[20](0.5,2) [] []:bool | axes=() rate=1 keep=0 dtype=f32";
    bpi_sample_parse(&three, text, &a, NULL);
    bpi_sample_parse(&three, text, &b, NULL);
    bpi_sample_parse(&three, text, &c, NULL);
    ck_assert_int_eq(bpi_sample_draw(&a, 1, NULL), BP_OK);
    ck_assert_int_eq(bpi_sample_draw(&b, 1, NULL), BP_OK);
    ck_assert_int_eq(bpi_sample_draw(&c, 2, NULL), BP_OK);
    ck_assert_int_eq(memcmp(a.x[0].values, b.x[0].values, 20 * sizeof(double)), 0);
    ck_assert_int_ne(memcmp(a.x[0].values, c.x[0].values, 20 * sizeof(double)), 0);
    bpi_sample_free(&a);
    bpi_sample_free(&b);
    bpi_sample_free(&c);
}
END_TEST

START_TEST(probabilities_sum_to_one_and_values_are_taken) {
    static const bp_op two = {.name = "two", .arity = 2, .operands = {{"p", false}, {"v", false}}};
    bpi_sample s;
    ck_assert_int_eq(bpi_sample_parse(&two, "[4,5]:prob [2,2]{1,-2.5,3,.5}", &s, NULL), BP_OK);
    ck_assert_int_eq(bpi_sample_draw(&s, 3, NULL), BP_OK);
    for (int row = 0; row < 4; row++) {
        double sum = 0;
        for (int i = 0; i < 5; i++) {
            ck_assert(s.x[0].values[row * 5 + i] > 0);
            sum += s.x[0].values[row * 5 + i];
        }
        ck_assert_double_eq(sum, 1);
    }
    ck_assert_double_eq(s.x[1].values[1], -2.5);
    ck_assert_double_eq(s.x[1].values[3], 0.5);
    bpi_sample_free(&s);
}
END_TEST

START_TEST(apart_keeps_elements_away_from_each_other) {
    static const bp_op one = {
        .name = "one", .arity = 1, .operands = {{"x", false}}, .kinks = "apart(x)"};
    bpi_sample s;
    ck_assert_int_eq(bpi_sample_parse(&one, "[24]", &s, NULL), BP_OK);
    ck_assert_int_eq(bpi_sample_draw(&s, 3, NULL), BP_OK);
    for (int i = 0; i < 24; i++)
        for (int j = 0; j < i; j++)
            ck_assert(fabs(s.x[0].values[i] - s.x[0].values[j]) >= 0.05);
    bpi_sample_free(&s);
}
END_TEST

START_TEST(what_is_no_sample_is_refused_with_words) {
    static const char *const wrong[] = {
        "",
        "[2] [2]",
        "[2] [2] [2] [2] | axes=() rate=1 keep=0 dtype=f32",
        "[2 [2] [2] | axes=() rate=1 keep=0 dtype=f32",
        "[2][2] [2] | axes=() rate=1 keep=0 dtype=f32",
        "[-1] [2] [2] | axes=() rate=1 keep=0 dtype=f32",
        "[2]:f16 [2] [2] | axes=() rate=1 keep=0 dtype=f32",
        "[2](1,1) [2] [2] | axes=() rate=1 keep=0 dtype=f32",
        "[2]{1} [2] [2] | axes=() rate=1 keep=0 dtype=f32",
        "[2]{1,2,3} [2] [2] | axes=() rate=1 keep=0 dtype=f32",
        "[2] [2] [2] | axes=() rate=1 keep=0",
        "[2] [2] [2] | axes=() axes=() rate=1 keep=0 dtype=f32",
        "[2] [2] [2] | axes=(1.5) rate=1 keep=0 dtype=f32",
        "[2] [2] [2] | axis=0 axes=() rate=1 keep=0 dtype=f32",
        "[2] [2] [2] | axes=() rate=one keep=0 dtype=f32",
        "[2] [2] [2] | axes=() rate=1 keep=0 dtype=float32",
        "[1,1,1,1,1,1,1,1,1] [2] [2] | axes=() rate=1 keep=0 dtype=f32",
        "[99999999999] [2] [2] | axes=() rate=1 keep=0 dtype=f32"};
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        bpi_sample s;
        bp_failure why = {0};
        ck_assert_msg(bpi_sample_parse(&three, wrong[k], &s, &why) == BP_ERR_FORMAT, "\"%s\"",
                      wrong[k]);
        ck_assert_ptr_nonnull(strstr(why.text, "three"));
        bpi_sample_free(&s);
    }
}
END_TEST

START_TEST(a_sample_that_cannot_leave_a_kink_is_refused) {
    bpi_sample s;
    bp_failure why = {0};
    const char *rest = "[2]:bool | axes=() rate=1 keep=0 dtype=f32";
    char text[120];
    snprintf(text, sizeof text, "[2]{1,1} [2]{1,2} %s", rest);
    ck_assert_int_eq(bpi_sample_parse(&three, text, &s, NULL), BP_OK);
    ck_assert_int_eq(bpi_sample_draw(&s, 1, &why), BP_ERR_VALUE);
    ck_assert_ptr_nonnull(strstr(why.text, "kinks"));
    bpi_sample_free(&s);
    snprintf(text, sizeof text, "[2] [3] %s", rest);
    ck_assert_int_eq(bpi_sample_parse(&three, text, &s, NULL), BP_OK);
    ck_assert_int_eq(bpi_sample_draw(&s, 1, NULL), BP_ERR_SHAPE);
    bpi_sample_free(&s);
}
END_TEST

/* ---- the formulas of elementwise ops --------------------------------------------------------- */

/* An op recorded on a sample in f64, with a cotangent for its result. */
typedef struct recording {
    bpi_sample sample;
    bp_model *model;
    bp_graph *graph;
    bp_tensor *x[BPI_SAMPLE_OPERANDS], *y, *gy;
    bpi_formula formula, gradient;
} recording;

/* Values of either sign for the cotangent of a result; NULL where there is none. */
static bp_tensor *cotangent_for(bp_graph *graph, bp_tensor *y, const char *name) {
    if (!bp_dtype_is_float(bp_tensor_dtype(y)))
        return NULL;
    int64_t count = bp_tensor_count(y);
    double *values = malloc((size_t)(count + 1) * sizeof *values);
    for (int64_t i = 0; i < count; i++)
        values[i] = (i % 2 ? -1 : 1) * (0.5 + 0.25 * (double)(i % 7));
    bp_tensor *gy = bp_input(graph, name, BP_F64, bp_tensor_shape(y));
    bp_write(gy, values);
    free(values);
    return gy;
}

static void open_recording(recording *r, const bp_op *op, const char *text) {
    bp_failure why = {0};
    ck_assert_msg(bpi_sample_parse(op, text, &r->sample, &why) == BP_OK, "%s", why.text);
    ck_assert_msg(bpi_sample_draw(&r->sample, 11, &why) == BP_OK, "%s", why.text);
    ck_assert_msg(bpi_formula_parse(op->formula, false, &r->formula, &why) == BP_OK, "%s",
                  why.text);
    ck_assert_msg(bpi_formula_parse(op->gradient, false, &r->gradient, &why) == BP_OK, "%s",
                  why.text);
    r->model = bp_model_new();
    r->graph = bp_graph_new(r->model);
    bp_set_executor(r->graph, BP_NAIVE);
    for (int k = 0; k < r->sample.inputs; k++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", k);
        r->x[k] = bpi_sample_input(&r->sample, k, r->graph, name, BP_F64);
    }
    r->y = bpi_sample_record(&r->sample, r->x, BP_F64);
    r->gy = r->y ? cotangent_for(r->graph, r->y, "the cotangent") : NULL;
    ck_assert_msg(!bp_failed(r->graph), "%s", bp_error(r->graph));
}

static void close_recording(recording *r) {
    bp_graph_free(r->graph);
    bp_model_free(r->model);
    bpi_formula_free(&r->formula);
    bpi_formula_free(&r->gradient);
    bpi_sample_free(&r->sample);
}

/* Binds attributes, and the operands' elements that meet element `index` of the result. */
static int bind(const recording *r, const bpi_condition *c, const bpi_point *point, int64_t index,
                bpi_binding *bindings) {
    const bp_op *op = r->sample.op;
    int count = 0;
    for (int k = 0; k < bpi_op_attrs(op); k++) {
        const bp_attr *a = &r->sample.attr[k];
        if (a->type == BP_ATTR_INT || a->type == BP_ATTR_REAL)
            bindings[count++] = (bpi_binding){
                op->attrs[k].name, a->type == BP_ATTR_INT ? (long double)a->as.i : a->as.f};
    }
    for (int k = 0; k < r->sample.inputs; k++)
        bindings[count++] = (bpi_binding){
            bpi_operand_name(op, k), point->values[k][bpi_condition_element(c, point, k, index)]};
    return count;
}

/* Walks over the elements of the result: compares each with the formula, and adds what the gradient
 * formula gives into `sums`. */
static void evaluate_formulas(const recording *r, long double **sums) {
    const bp_op *op = r->sample.op;
    const bp_type *type = r->y->type;
    const char *result = r->formula.statements[r->formula.count - 1].name;
    char cotangent[80];
    snprintf(cotangent, sizeof cotangent, "g%s", result);
    bpi_point point = {.op = op, .attr = r->sample.attr, .inputs = r->sample.inputs};
    for (int k = 0; k < point.inputs; k++) {
        point.type[k] = &r->sample.x[k].type;
        point.values[k] = r->sample.x[k].values;
    }
    bpi_condition c = {.shape = type->shape, .count = bp_shape_count(type->shape)};
    for (int64_t i = 0; i < c.count; i++) {
        bpi_binding b[64];
        bp_failure why = {0};
        int count = bind(r, &c, &point, i, b);
        ck_assert_msg(bpi_formula_values(&r->formula, b, &count, &why) == BP_OK, "%s: %s", op->name,
                      why.text);
        double y = bpi_load(type->dtype, bp_data(r->y), i), expected = (double)b[count - 1].value;
        ck_assert_msg(fabs(y - expected) <= 4e-15 * fabs(expected) + 1e-300,
                      "%s: element %d is %.17g, the formula gives %.17g", op->name, (int)i, y,
                      expected);
        if (!r->gy)
            continue;
        b[count++] = (bpi_binding){cotangent, bp_f64(r->gy)[i]};
        ck_assert_msg(bpi_formula_values(&r->gradient, b, &count, &why) == BP_OK, "%s: %s",
                      op->name, why.text);
        for (int k = 0; k < point.inputs; k++) {
            char name[80];
            snprintf(name, sizeof name, "g%s", bpi_operand_name(op, k));
            for (int j = count - 1; j >= 0 && sums[k]; j--)
                if (strcmp(b[j].name, name) == 0) {
                    sums[k][bpi_condition_element(&c, &point, k, i)] += b[j].value;
                    break;
                }
        }
    }
}

static void compare_gradients(const recording *r, long double **sums) {
    const bp_op *op = r->sample.op;
    for (int k = 0; k < r->sample.inputs; k++) {
        bool stated = false;
        char name[80];
        snprintf(name, sizeof name, "g%s", bpi_operand_name(op, k));
        stated = bpi_formula_find(&r->gradient, name) != NULL;
        bool flows = bp_dtype_is_float(r->x[k]->type->dtype) && !op->operands[k].no_gradient;
        if (!r->gy || !flows)
            continue;
        ck_assert_msg(stated, "%s: its gradient formula does not say what %s is", op->name, name);
        bp_tensor *gradient;
        ck_assert_int_eq(bp_grads(&r->y, &r->gy, 1, &r->x[k], 1, &gradient), BP_OK);
        for (int64_t i = 0; i < bp_tensor_count(gradient); i++) {
            double is = bp_f64(gradient)[i], expected = (double)sums[k][i];
            ck_assert_msg(fabs(is - expected) <= 1e-13 * (1 + fabs(expected)),
                          "%s: %s[%d] is %.17g, the formula gives %.17g", op->name, name, (int)i,
                          is, expected);
        }
    }
}

START_TEST(elementwise_formulas_are_what_is_computed) {
    const bp_op *op = bpi_ops[_i];
    if (!(op->flags & BP_OP_ELEMENTWISE) || (op->flags & BP_OP_RANDOM))
        return;
    for (int s = 0; op->samples[s]; s++) {
        bpi_sample parsed;
        ck_assert_int_eq(bpi_sample_parse(op, op->samples[s], &parsed, NULL), BP_OK);
        bool converts = false; /* to integers: what a formula cannot say */
        for (int k = 0; k < bpi_op_attrs(op); k++)
            converts |= parsed.attr[k].type == BP_ATTR_DTYPE && !parsed.attr_float[k];
        bpi_sample_free(&parsed);
        if (converts)
            continue;
        recording r;
        long double *sums[BPI_SAMPLE_OPERANDS] = {NULL};
        open_recording(&r, op, op->samples[s]);
        for (int k = 0; k < r.sample.inputs; k++)
            sums[k] = calloc((size_t)r.sample.x[k].count + 1, sizeof **sums);
        evaluate_formulas(&r, sums);
        compare_gradients(&r, sums);
        for (int k = 0; k < r.sample.inputs; k++)
            free(sums[k]);
        close_recording(&r);
    }
}
END_TEST

/* ---- the formulas of all ops, on arrays ------------------------------------------------------ */

/* Ops whose formulas only name them: which element goes where is not said by a formula. */
static const char *const named_only[] = {
    "argmax", "reshape",     "permute", "expand",  "slice",        "pad", "concat",
    "gather", "scatter_add", "one_hot", "dropout", "dropout_mask", NULL};

static bool only_named(const bp_op *op) {
    for (int k = 0; named_only[k]; k++)
        if (strcmp(op->name, named_only[k]) == 0)
            return true;
    return false;
}

static bpi_nd array_of(bpi_arena *arena, bp_tensor *tensor) {
    bpi_nd x = bpi_nd_new(arena, bp_tensor_shape(tensor));
    const void *data = bp_data(tensor);
    for (int64_t i = 0; i < bp_tensor_count(tensor); i++)
        x.data[i] = bpi_load(bp_tensor_dtype(tensor), data, i);
    return x;
}

static void compare_arrays(const recording *r, const char *what, bp_tensor *is,
                           const bpi_nd *by_formula) {
    double largest = 0;
    bpi_arena arena = {0};
    bpi_nd x = array_of(&arena, is);
    for (int64_t i = 0; i < bp_tensor_count(is); i++)
        largest = fmax(largest, fabs(x.data[i]));
    for (int64_t i = 0; i < bp_tensor_count(is); i++)
        ck_assert_msg(fabs(x.data[i] - by_formula->data[i]) <= 1e-13 * (largest + 1e-3),
                      "%s, sample \"%s\": %s[%d] is %.17g, by the formula %.17g",
                      r->sample.op->name, r->sample.text, what, (int)i, x.data[i],
                      by_formula->data[i]);
    bpi_arena_free(&arena);
}

/* Compares what can be evaluated; returns false when something could not. */
static bool evaluate_arrays(recording *r, bpi_arena *arena) {
    const bp_op *op = r->sample.op;
    static const char *const names[BP_MAX_OUTPUTS] = {"", "a second", "a third", "a fourth"};
    const int outputs = bpi_op_outputs(op);
    bpi_nd x[BPI_SAMPLE_OPERANDS], y[BP_MAX_OUTPUTS], gy[BP_MAX_OUTPUTS], value;
    bp_tensor *result[BP_MAX_OUTPUTS], *cotangent[BP_MAX_OUTPUTS];
    for (int k = 0; k < r->sample.inputs; k++)
        x[k] = array_of(arena, r->x[k]);
    for (int k = 0; k < outputs; k++) {
        result[k] = bp_output(r->y, k);
        y[k] = array_of(arena, result[k]);
        cotangent[k] = k ? cotangent_for(r->graph, result[k], names[k]) : r->gy;
        gy[k] = cotangent[k] ? array_of(arena, cotangent[k]) : (bpi_nd){BP_SCALAR, NULL};
    }
    bpi_nd_node node = {op, r->sample.attr, r->sample.inputs, outputs, x, y, gy};
    for (int k = 0; k < outputs; k++) {
        if (bpi_nd_forward(&node, k, arena, &value, NULL) != BP_OK)
            return false;
        compare_arrays(r, "the result", result[k], &value);
    }
    for (int k = 0; r->gy && op->vjp && k < r->sample.inputs; k++) {
        bp_tensor *gradient;
        if (!bp_dtype_is_float(bp_tensor_dtype(r->x[k])) || op->operands[k].no_gradient)
            continue;
        if (bpi_nd_gradient(&node, k, arena, &value, NULL) != BP_OK)
            return false;
        ck_assert_int_eq(bp_grads(result, cotangent, outputs, &r->x[k], 1, &gradient), BP_OK);
        compare_arrays(r, bpi_operand_name(op, k), gradient, &value);
    }
    return true;
}

START_TEST(formulas_on_arrays_are_what_is_computed) {
    const bp_op *op = bpi_ops[_i];
    int evaluated = 0;
    for (int s = 0; op->samples[s]; s++) {
        recording r;
        bpi_arena arena = {0};
        open_recording(&r, op, op->samples[s]);
        bool nothing = bp_tensor_count(r.x[0]) == 0; /* the mean of nothing is NaN */
        evaluated += !nothing && evaluate_arrays(&r, &arena);
        bpi_arena_free(&arena);
        close_recording(&r);
    }
    ck_assert_msg((evaluated > 0) != only_named(op), "%s: evaluated on %d samples", op->name,
                  evaluated);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("formulas");
    TCase *parser = tcase_create("parser");
    tcase_add_test(parser, operators_bind_as_in_arithmetic);
    tcase_add_test(parser, the_side_that_is_not_chosen_is_not_evaluated);
    tcase_add_test(parser, statements_bind_names_in_turn);
    tcase_add_test(parser, matrix_formulas_parse_but_have_no_scalar_value);
    tcase_add_test(parser, what_is_no_formula_is_refused_with_words);
    tcase_add_test(parser, nesting_is_bounded);
    tcase_add_test(parser, unknown_names_and_functions_are_named);
    suite_add_tcase(suite, parser);
    TCase *samples = tcase_create("samples");
    tcase_add_test(samples, a_sample_says_shapes_dtypes_and_attributes);
    tcase_add_test(samples, draws_repeat_with_the_seed_and_differ_without);
    tcase_add_test(samples, probabilities_sum_to_one_and_values_are_taken);
    tcase_add_test(samples, apart_keeps_elements_away_from_each_other);
    tcase_add_test(samples, what_is_no_sample_is_refused_with_words);
    tcase_add_test(samples, a_sample_that_cannot_leave_a_kink_is_refused);
    suite_add_tcase(suite, samples);
    TCase *ops = tcase_create("formulas of ops");
    tcase_add_loop_test(ops, elementwise_formulas_are_what_is_computed, 0, bpi_op_count);
    tcase_add_loop_test(ops, formulas_on_arrays_are_what_is_computed, 0, bpi_op_count);
    suite_add_tcase(suite, ops);
    return run_suite(suite);
}

/* Every record in the list of ops is complete and consistent: names, formulas, samples; and
 * docs/ops.md, which is made from the records, is fresh. `test_registry --print`
 * prints that page. */
#include <backprop.h>
#include <check.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "registry.h"
#include "suite.h"
#include "verify/formula.h"
#include "verify/sample.h"

/* ---- helpers --------------------------------------------------------------------------------- */

static int operand_count(const bp_op *op) { return op->arity == BP_VARIADIC ? 1 : op->arity; }

static bool is_operand(const bp_op *op, const char *name) {
    for (int k = 0; k < operand_count(op); k++)
        if (strcmp(op->operands[k].name, name) == 0)
            return true;
    return false;
}

static bool is_attribute(const bp_op *op, const char *name) {
    for (int k = 0; k < bpi_op_attrs(op); k++)
        if (strcmp(op->attrs[k].name, name) == 0)
            return true;
    return false;
}

static void parse(const bp_op *op, const char *text, bool list, bpi_formula *formula) {
    bp_failure why = {0};
    ck_assert_msg(bpi_formula_parse(text, list, formula, &why) == BP_OK, "%s: %s", op->name,
                  why.text);
}

/* The name of result k: the last statements of the formula name the results. */
static const char *result_name(const bp_op *op, const bpi_formula *formula, int k) {
    return formula->statements[formula->count - bpi_op_outputs(op) + k].name;
}

/* ---- names and parts ------------------------------------------------------------------------- */

START_TEST(names_are_unique_and_found) {
    const bp_op *op = bpi_ops[_i];
    ck_assert_ptr_eq(bp_op_at(_i), op);
    ck_assert_ptr_eq(bp_op_find(op->name), op);
    for (const char *c = op->name; *c; c++)
        ck_assert_msg(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_', "%s",
                      op->name);
    for (int k = 0; k < _i; k++)
        ck_assert_str_ne(bpi_ops[k]->name, op->name);
}
END_TEST

START_TEST(the_end_of_the_list_and_unknown_names_give_null) {
    ck_assert_ptr_null(bp_op_at(-1));
    ck_assert_ptr_null(bp_op_at(bpi_op_count));
    ck_assert_ptr_null(bp_op_find("no such op"));
    ck_assert_ptr_null(bp_op_find(NULL));
}
END_TEST

START_TEST(records_are_complete) {
    const bp_op *op = bpi_ops[_i];
    const char *name = op->name;
    ck_assert_msg(op->summary && strlen(op->summary) > 8, "%s has no summary", name);
    ck_assert_msg(op->summary[strlen(op->summary) - 1] == '.', "%s: a summary is a sentence", name);
    ck_assert_msg(op->arity == BP_VARIADIC || (op->arity >= 1 && op->arity <= 4), "%s: arity",
                  name);
    ck_assert_msg(op->outputs >= 0 && op->outputs <= BP_MAX_OUTPUTS, "%s: outputs", name);
    ck_assert_msg(op->forward || op->lower, "%s has neither forward nor lower", name);
    ck_assert_msg(op->formula && op->formula[0], "%s has no formula", name);
    ck_assert_msg(op->samples && op->samples[0], "%s has no samples", name);
    bool flows = false;
    for (int k = 0; k < operand_count(op); k++) {
        ck_assert_msg(op->operands[k].name && op->operands[k].name[0], "%s: operand %d", name, k);
        flows = flows || !op->operands[k].no_gradient;
    }
    if (op->vjp || op->backward) {
        ck_assert_msg(flows, "%s has a gradient that flows nowhere", name);
        ck_assert_msg(op->gradient && op->gradient[0], "%s has no gradient formula", name);
        ck_assert_msg(!(op->vjp && op->backward), "%s has two gradients", name);
    } else {
        ck_assert_msg(!op->gradient, "%s has a gradient formula but no gradient", name);
    }
}
END_TEST

/* ---- formulas -------------------------------------------------------------------------------- */

/* Functions of arrays that formulas may use beside the ops; see docs/formulas.md. */
static const char *const array_functions[] = {"size", "inverse", "part", "sum_to", "apart", NULL};

static bool known_function(const char *name) {
    for (int k = 0; array_functions[k]; k++)
        if (strcmp(name, array_functions[k]) == 0)
            return true;
    return bpi_formula_function(name, -1) || bp_op_find(name);
}

/* Names that statements before this one have introduced. */
typedef struct scope {
    const bp_op *op;
    const bpi_formula *results; /* whose results and their cotangents are known; or NULL */
    const bpi_formula *formula;
    int before;
} scope;

static bool known_name(const scope *s, const char *name) {
    if (is_operand(s->op, name) || is_attribute(s->op, name) || strcmp(name, "pi") == 0)
        return true;
    for (int k = 0; k < s->before; k++)
        if (s->formula->statements[k].name && strcmp(s->formula->statements[k].name, name) == 0)
            return true;
    for (int k = 0; s->results && k < bpi_op_outputs(s->op); k++) {
        const char *y = result_name(s->op, s->results, k);
        if (strcmp(name, y) == 0 || (name[0] == 'g' && strcmp(name + 1, y) == 0))
            return true;
    }
    return false;
}

static void check_names(const scope *s, const bpi_expr *expr) {
    if (expr->kind == BPI_EXPR_NAME)
        ck_assert_msg(known_name(s, expr->name), "%s: a formula uses the unknown name %s",
                      s->op->name, expr->name);
    if (expr->kind == BPI_EXPR_CALL)
        ck_assert_msg(known_function(expr->name), "%s: a formula calls the unknown function %s",
                      s->op->name, expr->name);
    for (int k = 0; k < expr->args; k++)
        check_names(s, expr->arg[k]);
}

static void check_formula(const bp_op *op, const char *text, bool list,
                          const bpi_formula *results) {
    bpi_formula formula;
    parse(op, text, list, &formula);
    for (int k = 0; k < formula.count; k++)
        check_names(&(scope){op, results, &formula, k}, formula.statements[k].value);
    bpi_formula_free(&formula);
}

START_TEST(formulas_parse_and_use_known_names) {
    const bp_op *op = bpi_ops[_i];
    bpi_formula formula;
    parse(op, op->formula, false, &formula);
    ck_assert_msg(formula.count >= bpi_op_outputs(op), "%s: a result has no formula", op->name);
    for (int k = 0; k < bpi_op_outputs(op); k++)
        ck_assert_msg(!is_operand(op, result_name(op, &formula, k)),
                      "%s: the result %s has the name of an operand", op->name,
                      result_name(op, &formula, k));
    check_formula(op, op->formula, false, NULL);
    check_formula(op, op->gradient, false, &formula);
    check_formula(op, op->kinks, true, NULL);
    check_formula(op, op->domain, true, NULL);
    check_formula(op, op->saturates, true, NULL);
    bpi_formula_free(&formula);
}
END_TEST

START_TEST(gradient_formulas_have_a_part_for_each_operand) {
    const bp_op *op = bpi_ops[_i];
    bpi_formula gradient;
    parse(op, op->gradient, false, &gradient);
    for (int k = 0; op->gradient && k < operand_count(op); k++) {
        char name[80];
        snprintf(name, sizeof name, "g%s", op->operands[k].name);
        bool stated = bpi_formula_find(&gradient, name) != NULL;
        bool integers = true; /* an operand that no sample gives as float has no gradient */
        for (int s = 0; op->samples[s]; s++) {
            bpi_sample sample;
            if (bpi_sample_parse(op, op->samples[s], &sample, NULL) == BP_OK)
                integers = integers && !bp_dtype_is_float(sample.x[k].type.dtype);
            bpi_sample_free(&sample);
        }
        bool flows = !op->operands[k].no_gradient && !integers;
        ck_assert_msg(stated == flows, "%s: the gradient formula %s %s", op->name,
                      stated ? "should not have" : "lacks", name);
    }
    bpi_formula_free(&gradient);
}
END_TEST

/* ---- samples --------------------------------------------------------------------------------- */

/* An elementwise op has the shape that its operands broadcast to. */
static void check_elementwise(const bp_op *op, bp_tensor *const *x, int inputs,
                              const bp_tensor *y) {
    bp_shape shape = bp_tensor_shape(y);
    for (int k = 0; k < inputs && (op->flags & BP_OP_ELEMENTWISE); k++) {
        bp_shape from = bp_tensor_shape(x[k]);
        ck_assert_msg(from.rank <= shape.rank, "%s is not elementwise", op->name);
        for (int d = 1; d <= from.rank; d++)
            ck_assert_msg(from.size[from.rank - d] == 1 ||
                              from.size[from.rank - d] == shape.size[shape.rank - d],
                          "%s is not elementwise", op->name);
    }
}

/* Records a sample and runs it naively; returns the number of elements of the first result. */
static int64_t run_sample(const bp_op *op, const char *text, bp_dtype dtype) {
    bpi_sample sample;
    bp_failure why = {0};
    ck_assert_msg(bpi_sample_parse(op, text, &sample, &why) == BP_OK, "%s", why.text);
    ck_assert_msg(bpi_sample_draw(&sample, 1, &why) == BP_OK, "%s", why.text);
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_set_executor(graph, BP_NAIVE);
    bp_tensor *x[BPI_SAMPLE_OPERANDS];
    bp_type types[BPI_SAMPLE_OPERANDS];
    for (int k = 0; k < sample.inputs; k++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", k);
        x[k] = bpi_sample_input(&sample, k, graph, name, dtype);
        types[k] = *x[k]->type;
    }
    bp_tensor *y = bpi_sample_record(&sample, x, dtype);
    ck_assert_msg(y && bp_eval(&y, 1) == BP_OK, "%s, sample \"%s\": %s", op->name, text,
                  bp_error(graph));
    check_elementwise(op, x, sample.inputs, y);
    if (op->cost) {
        double flops = -1, bytes = -1;
        bp_signature s = {
            .op = op, .inputs = sample.inputs, .x = types, .attr = y->node->attr, .why = &why};
        for (int k = 0; k < y->node->outputs; k++)
            s.y[k] = *y->node->y[k].type;
        op->cost(&s, &flops, &bytes);
        ck_assert_msg(flops >= 0 && bytes >= 0 && isfinite(flops + bytes), "%s: cost", op->name);
    }
    int64_t count = bp_tensor_count(y);
    bp_graph_free(graph);
    bp_model_free(model);
    bpi_sample_free(&sample);
    return count;
}

START_TEST(samples_parse_and_run) {
    const bp_op *op = bpi_ops[_i];
    int64_t elements = 0;
    bool empty = false;
    for (int s = 0; op->samples[s]; s++) {
        bool has_zero = strstr(op->samples[s], "[0") != NULL;
        int64_t count = run_sample(op, op->samples[s], BP_F32);
        ck_assert_int_eq(run_sample(op, op->samples[s], BP_F64), count);
        ck_assert_msg(count <= 400, "%s: sample \"%s\" is large", op->name, op->samples[s]);
        elements += count;
        empty = empty || has_zero || count == 0;
    }
    ck_assert_msg(elements > 0, "%s: no sample has elements", op->name);
    ck_assert_msg(empty, "%s: no sample has a size of zero", op->name);
}
END_TEST

/* ---- docs/ops.md ----------------------------------------------------------------------------- */

static void add_formula(bpi_text *page, const char *what, const char *formula) {
    if (formula && formula[0])
        bpi_text_add(page, "- %s: `%s`\n", what, formula);
}

static void add_flags(bpi_text *page, const bp_op *op) {
    static const struct {
        unsigned flag;
        const char *words;
    } flags[] = {{BP_OP_ELEMENTWISE, "elementwise, operands broadcast"},
                 {BP_OP_LINEAR, "linear in each operand"},
                 {BP_OP_RANDOM, "draws random numbers"},
                 {BP_OP_ALIAS, "the result has the bytes of the operand"},
                 {BP_OP_ZERO_GRADIENT, "its gradient is zero"}};
    bool any = false;
    for (size_t k = 0; k < sizeof flags / sizeof flags[0]; k++)
        if (op->flags & flags[k].flag) {
            bpi_text_add(page, any ? "; %s" : "- %s", flags[k].words);
            any = true;
        }
    if (any)
        bpi_text_add(page, "\n");
}

static void add_op(bpi_text *page, const bp_op *op) {
    bpi_text_add(page, "\n## %s(", op->name);
    for (int k = 0; k < operand_count(op); k++)
        bpi_text_add(page, k ? ", %s" : "%s", op->operands[k].name);
    if (op->arity == BP_VARIADIC)
        bpi_text_add(page, "...");
    for (int k = 0; k < bpi_op_attrs(op); k++)
        bpi_text_add(page, k ? ", %s" : "; %s", op->attrs[k].name);
    bpi_text_add(page, ")\n\n%s\n\n", op->summary);
    add_formula(page, "formula", op->formula);
    add_formula(page, "gradient", op->gradient);
    if (!op->gradient)
        bpi_text_add(page, "- gradient: none\n");
    add_formula(page, "kinks, where the gradient jumps", op->kinks);
    add_formula(page, "domain", op->domain);
    add_formula(page, "saturates", op->saturates);
    add_flags(page, op);
    if (op->source)
        bpi_text_add(page, "- source: %s\n", op->source);
    bpi_text_add(page, "- checked on:");
    for (int k = 0; op->samples[k]; k++)
        bpi_text_add(page, k ? ", `%s`" : " `%s`", op->samples[k]);
    bpi_text_add(page, "\n");
}

static void make_page(bpi_text *page) {
    bpi_text_add(
        page,
        "# The ops\n\n"
        "Made from the records in `ops/` by `test_registry --print`; a test keeps it fresh.\n"
        "[formulas.md](formulas.md) says how to read formulas and samples; `gx` is the gradient\n"
        "with respect to `x`, `gy` the cotangent of `y`. After a `;` in the heading come the\n"
        "attributes. Ops that have no function in `backprop/ops.h` are what the gradients of\n"
        "others are recorded with.\n");
    for (int k = 0; k < bpi_op_count; k++)
        add_op(page, bpi_ops[k]);
}

/* Reads a file whole; NULL when there is none. */
static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    size_t length = 0, room = 1 << 20;
    char *text = calloc(1, room);
    length = fread(text, 1, room - 1, file);
    text[length] = 0;
    fclose(file);
    return text;
}

/* The page beside the sources, as the compiler saw their path from the build folder. */
static char *committed_page(void) {
    char path[1000];
    const char *root = getenv("SOURCE_ROOT"), *slash = strrchr(__FILE__, '/');
    if (root)
        snprintf(path, sizeof path, "%s/docs/ops.md", root);
    else
        snprintf(path, sizeof path, "%.*s../docs/ops.md", slash ? (int)(slash - __FILE__) + 1 : 0,
                 __FILE__);
    return read_file(path);
}

START_TEST(the_page_of_ops_is_fresh) {
    bpi_text page = {0};
    make_page(&page);
    char *committed = committed_page();
    ck_assert_msg(committed != NULL,
                  "docs/ops.md cannot be read; run the test from the build folder");
    ck_assert_msg(strcmp(committed, bpi_text_data(&page)) == 0,
                  "docs/ops.md is not what the records say; renew it in the build folder with "
                  "tests/test_registry --print > .../docs/ops.md");
    free(committed);
    bpi_text_free(&page);
}
END_TEST

static int print_page(void) {
    bpi_text page = {0};
    make_page(&page);
    fputs(bpi_text_data(&page), stdout);
    bpi_text_free(&page);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--print") == 0)
        return print_page();
    Suite *suite = suite_create("registry");
    TCase *records = tcase_create("records");
    tcase_add_loop_test(records, names_are_unique_and_found, 0, bpi_op_count);
    tcase_add_test(records, the_end_of_the_list_and_unknown_names_give_null);
    tcase_add_loop_test(records, records_are_complete, 0, bpi_op_count);
    tcase_add_loop_test(records, formulas_parse_and_use_known_names, 0, bpi_op_count);
    tcase_add_loop_test(records, gradient_formulas_have_a_part_for_each_operand, 0, bpi_op_count);
    tcase_add_loop_test(records, samples_parse_and_run, 0, bpi_op_count);
    tcase_add_test(records, the_page_of_ops_is_fresh);
    suite_add_tcase(suite, records);
    return run_suite(suite);
}

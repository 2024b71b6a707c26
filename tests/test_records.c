/* Records of ops: those that cannot be are refused by name and field, and so is what they give. */
#include <backprop.h>
#include <check.h>

#include "cube.h"
#include "fixture.h"
#include "suite.h"

START_TEST(an_op_of_f64_alone_refuses_other_tensors) {
    bp_tensor *narrow = bp_full(graph, BP_F32, BP_SHAPE(3), 2);
    ck_assert_ptr_null(bp_record(&cube_op, &narrow, 1, NULL));
    expect_failure(BP_ERR_DTYPE, "cube: works on f64, not on f32; bp_cast it");
    bp_tensor *wide = bp_cast(narrow, BP_F64);
    ck_assert_double_eq(bp_f64(bp_record(&cube_op, &wide, 1, NULL))[2], 8);
}
END_TEST

static bp_status ones(const bp_call *call) {
    for (int64_t k = 0; k < call->y->count; k++)
        ((float *)call->y->data)[k] = 1;
    return BP_OK;
}

static bp_status one_output(bp_signature *s) {
    s->y[0] = s->x[0];
    return BP_OK;
}

static bp_status nine_dimensions(bp_signature *s) {
    s->y[0] = (bp_type){BP_F32, {.rank = 9}};
    return BP_OK;
}

static bp_status less_than_nothing(bp_signature *s) {
    s->y[0] = (bp_type){BP_F32, BP_SHAPE(-3, 4)};
    return BP_OK;
}

static size_t nearly_everything(const bp_signature *s) {
    (void)s;
    return SIZE_MAX - 3;
}

static void refused(const bp_op *op, int count, const bp_attr *attrs, bp_status status,
                    const char *words) {
    bp_tensor *x[6] = {bp_full(graph, BP_F32, BP_SHAPE(2, 3), 1)};
    for (int k = 1; k < 6; k++)
        x[k] = x[0];
    ck_assert_ptr_null(bp_record(op, x, count, attrs));
    expect_failure(status, words);
}

START_TEST(records_that_cannot_be_are_refused) {
    const bp_op good = {.name = "good", .arity = 1, .operands = {{"x", false}}, .forward = ones};
    bp_op op = good;
    op.name = NULL;
    refused(&op, 1, NULL, BP_ERR_ARGUMENT, "has no name");
    refused(NULL, 1, NULL, BP_ERR_ARGUMENT, "the op is NULL");
    refused(&good, 2, NULL, BP_ERR_ARGUMENT, "good: takes 1 operands, was given 2");
    for (int outputs = -1; outputs <= 9; outputs += 10) {
        op = good, op.outputs = outputs;
        refused(&op, 1, NULL, BP_ERR_ARGUMENT,
                outputs < 0 ? "good: the record has -1 outputs" : "good: the record has 9 outputs");
    }
    op = good, op.arity = 5;
    refused(&op, 5, NULL, BP_ERR_ARGUMENT, "good: the record has arity 5");
    op.arity = -2;
    refused(&op, 1, NULL, BP_ERR_ARGUMENT, "good: the record has arity -2");
    op.arity = BP_VARIADIC;
    bp_tensor *x = bp_full(graph, BP_F32, BP_SHAPE(2), 1);
    ck_assert_float_eq(bp_f32(bp_record(&op, (bp_tensor *[]){x, x, x, x, x}, 5, NULL))[1], 1);
}
END_TEST

START_TEST(lists_of_attributes_that_cannot_be_are_refused) {
    const bp_op op = {.name = "listed", .arity = 1, .attrs = {{"axes", BP_ATTR_INTS}}};
    const int64_t list[3] = {0, 1, 2};
    refused(&op, 1, &(bp_attr){.type = BP_ATTR_INTS, .count = 3}, BP_ERR_ARGUMENT,
            "listed: attribute \"axes\" is a list of 3 integers at NULL");
    refused(&op, 1, &(bp_attr){.type = BP_ATTR_INTS, .count = -4, .as.list = list}, BP_ERR_ARGUMENT,
            "listed: attribute \"axes\" is a list of -4 integers");
    bp_tensor *x = bp_full(graph, BP_F32, BP_SHAPE(2), 1);
    ck_assert_ptr_nonnull(bp_record(&op, &x, 1, &(bp_attr){.type = BP_ATTR_INTS}));
}
END_TEST

START_TEST(a_shape_rule_that_gives_no_type_is_refused_with_what_it_gave) {
    bp_op op = {.name = "odd", .arity = 1, .outputs = 2, .infer = one_output, .forward = ones};
    refused(&op, 1, NULL, BP_ERR_SHAPE, "odd: result number 2 would have the dtype 6 (?)");
    op.outputs = 1, op.infer = nine_dimensions;
    refused(&op, 1, NULL, BP_ERR_SHAPE, "the rank 9");
    op.infer = less_than_nothing;
    refused(&op, 1, NULL, BP_ERR_SHAPE, "dtype 0 (f32), the rank 2 and the shape [-3,4]");
}
END_TEST

START_TEST(a_workspace_larger_than_memory_is_refused) {
    const bp_op op = {
        .name = "greedy", .arity = 1, .forward = ones, .workspace = nearly_everything};
    bp_tensor *x = bp_full(graph, BP_F32, BP_SHAPE(2), 1), *y = bp_record(&op, &x, 1, NULL);
    ck_assert_int_eq(bp_eval(&y, 1), BP_ERR_MEMORY);
    expect_failure(BP_ERR_MEMORY, "greedy: its workspace rule asks for");
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        an_op_of_f64_alone_refuses_other_tensors,
        records_that_cannot_be_are_refused,
        lists_of_attributes_that_cannot_be_are_refused,
        a_shape_rule_that_gives_no_type_is_refused_with_what_it_gave,
        a_workspace_larger_than_memory_is_refused,
    };
    return run_tests("records", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}

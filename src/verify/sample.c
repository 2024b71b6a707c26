/* Parses samples, and records an op on them. Drawing their values is in draw.c. */
#include "sample.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../graph.h"

typedef struct parser {
    const char *at;
    bpi_sample *sample;
    bp_status status;
    bp_failure *why;
} parser;

static void fail(parser *p, const char *what) {
    if (p->status == BP_OK)
        p->status =
            bpi_fail(p->why, BP_ERR_FORMAT, "op \"%s\", sample \"%.200s\", at \"%.20s\": %s",
                     p->sample->op->name, p->sample->text, p->at, what);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void skip_spaces(parser *p) {
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool take(parser *p, char sign) {
    if (p->status != BP_OK || *p->at != sign)
        return false;
    p->at++;
    return true;
}

static void expect(parser *p, char sign, const char *what) {
    if (p->status == BP_OK && !take(p, sign))
        fail(p, what);
}

/* Takes a word if it stands here as a whole. */
static bool take_word(parser *p, const char *word) {
    size_t length = strlen(word);
    if (p->status != BP_OK || strncmp(p->at, word, length) != 0 ||
        isalnum((unsigned char)p->at[length]) || p->at[length] == '_')
        return false;
    p->at += length;
    return true;
}

/* Digits with at most one point and no exponent: samples need no more, and no locale is asked. */
static double take_number(parser *p) {
    double sign = take(p, '-') ? -1 : 1, value = 0, unit = 1;
    int digits = 0;
    for (; p->status == BP_OK && isdigit((unsigned char)*p->at); p->at++, digits++)
        value = value * 10 + (*p->at - '0');
    if (take(p, '.'))
        for (; isdigit((unsigned char)*p->at); p->at++, digits++, unit *= 10)
            value = value * 10 + (*p->at - '0');
    if (digits == 0)
        fail(p, "a number is expected");
    return sign * value / unit;
}

static int64_t take_integer(parser *p) {
    double value = take_number(p);
    if (p->status == BP_OK && (value != (double)(int64_t)value || value < -1e15 || value > 1e15))
        fail(p, "a whole number is expected before this");
    return p->status == BP_OK ? (int64_t)value : 0;
}

/* Takes the name of a dtype; "float" gives f64 and leaves *fixed false. */
static bool take_dtype(parser *p, bp_dtype *dtype, bool *fixed) {
    *fixed = false;
    *dtype = BP_F64;
    if (take_word(p, "float"))
        return true;
    for (int k = 0; k < BP_DTYPE_COUNT; k++)
        if (take_word(p, bp_dtype_name((bp_dtype)k))) {
            *dtype = (bp_dtype)k;
            *fixed = true;
            return true;
        }
    return false;
}

/* ---- operands -------------------------------------------------------------------------------- */

static void parse_shape(parser *p, bp_shape *shape) {
    *shape = BP_SCALAR;
    expect(p, '[', "a shape such as [2,3] is expected");
    if (take(p, ']'))
        return;
    do {
        if (shape->rank == BP_MAX_RANK)
            fail(p, "too many dimensions");
        else
            shape->size[shape->rank++] = take_integer(p);
    } while (take(p, ','));
    expect(p, ']', "\"]\" is expected");
}

static void parse_kind(parser *p, bpi_sample_operand *x) {
    if (take_word(p, "prob")) {
        x->kind = BPI_SAMPLE_PROB;
        return;
    }
    if (!take_dtype(p, &x->type.dtype, &x->fixed))
        fail(p, "a dtype or \"prob\" is expected");
    if (!bp_dtype_is_float(x->type.dtype)) {
        x->kind = BPI_SAMPLE_RANGE;
        x->low = 0;
        x->high = x->type.dtype == BP_BOOL ? 2 : 5;
    }
    if (take(p, '<')) {
        x->kind = BPI_SAMPLE_RANGE;
        x->low = 0;
        x->high = take_number(p);
    }
}

static void parse_range(parser *p, bpi_sample_operand *x) {
    x->kind = BPI_SAMPLE_RANGE;
    x->low = take_number(p);
    expect(p, ',', "\",\" is expected");
    x->high = take_number(p);
    expect(p, ')', "\")\" is expected");
    if (p->status == BP_OK && !(x->low < x->high))
        fail(p, "the range before this is empty");
}

static void parse_values(parser *p, bpi_sample_operand *x) {
    x->kind = BPI_SAMPLE_VALUES;
    for (int64_t k = 0; k < x->count && p->status == BP_OK; k++) {
        if (k > 0)
            expect(p, ',', "more values are expected, as many as the shape has elements");
        x->values[k] = take_number(p);
    }
    expect(p, '}', "\"}\" is expected after as many values as the shape has elements");
}

static void parse_operand(parser *p) {
    enum { MOST_ELEMENTS = 1 << 20 };
    if (p->sample->inputs == BPI_SAMPLE_OPERANDS) {
        fail(p, "too many operands");
        return;
    }
    bpi_sample_operand *x = &p->sample->x[p->sample->inputs++];
    *x = (bpi_sample_operand){.type.dtype = BP_F64};
    parse_shape(p, &x->type.shape);
    x->count = p->status == BP_OK ? bp_shape_count(x->type.shape) : 0;
    if (x->count < 0 || x->count > MOST_ELEMENTS) {
        fail(p, "the shape before this is invalid or too large");
        x->count = 0;
    }
    if (p->status == BP_OK && !(x->values = bpi_alloc_zeroed((size_t)x->count * sizeof(double))))
        p->status = bpi_fail(p->why, BP_ERR_MEMORY, "out of memory for a sample");
    if (take(p, ':'))
        parse_kind(p, x);
    if (take(p, '('))
        parse_range(p, x);
    else if (take(p, '{'))
        parse_values(p, x);
    if (p->status == BP_OK && *p->at && !isspace((unsigned char)*p->at) && *p->at != '|')
        fail(p, "a space is expected after an operand");
}

/* ---- attributes ------------------------------------------------------------------------------ */

static void parse_list(parser *p, bp_attr *attr, int64_t *list) {
    expect(p, '(', "a list such as (0,2) is expected");
    int count = 0;
    if (!take(p, ')')) {
        do {
            if (count == BP_MAX_RANK)
                fail(p, "the list is too long");
            else
                list[count++] = take_integer(p);
        } while (take(p, ','));
        expect(p, ')', "\")\" is expected");
    }
    *attr = bp_attr_ints(list, count);
}

static void parse_value(parser *p, int k) {
    bpi_sample *s = p->sample;
    bp_dtype dtype;
    bool fixed;
    switch (s->op->attrs[k].type) {
    case BP_ATTR_INTS: parse_list(p, &s->attr[k], s->list[k]); break;
    case BP_ATTR_REAL: s->attr[k] = bp_attr_real(take_number(p)); break;
    case BP_ATTR_DTYPE:
        if (!take_dtype(p, &dtype, &fixed))
            fail(p, "a dtype is expected");
        s->attr[k] = bp_attr_dtype(dtype);
        s->attr_float[k] = !fixed;
        break;
    default:
        if (take_word(p, "true"))
            s->attr[k] = bp_attr_int(1);
        else if (take_word(p, "false"))
            s->attr[k] = bp_attr_int(0);
        else
            s->attr[k] = bp_attr_int(take_integer(p));
    }
}

static void parse_attribute(parser *p) {
    const bp_op *op = p->sample->op;
    for (int k = 0; k < bpi_op_attrs(op); k++)
        if (take_word(p, op->attrs[k].name)) {
            if (p->sample->attr[k].type != BP_ATTR_NONE)
                fail(p, "the attribute before this is given twice");
            expect(p, '=', "\"=\" is expected");
            if (p->status == BP_OK)
                parse_value(p, k);
            return;
        }
    fail(p, "the name of an attribute of the op is expected");
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void check_complete(parser *p) {
    const bpi_sample *s = p->sample;
    const bp_op *op = s->op;
    if (op->arity == BP_VARIADIC ? s->inputs < 1 : s->inputs != op->arity)
        fail(p, "the op takes another number of operands");
    for (int k = 0; k < bpi_op_attrs(op) && p->status == BP_OK; k++)
        if (s->attr[k].type == BP_ATTR_NONE)
            p->status = bpi_fail(p->why, BP_ERR_FORMAT,
                                 "op \"%s\", sample \"%.200s\": the attribute \"%s\" is missing",
                                 op->name, s->text, op->attrs[k].name);
}

bp_status bpi_sample_parse(const bp_op *op, const char *text, bpi_sample *sample, bp_failure *why) {
    *sample = (bpi_sample){.op = op, .text = text};
    parser p = {.at = text, .sample = sample, .why = why};
    for (skip_spaces(&p); p.status == BP_OK && *p.at && *p.at != '|'; skip_spaces(&p))
        parse_operand(&p);
    if (take(&p, '|'))
        for (skip_spaces(&p); p.status == BP_OK && *p.at; skip_spaces(&p))
            parse_attribute(&p);
    if (p.status == BP_OK)
        check_complete(&p);
    return p.status;
}

void bpi_sample_free(bpi_sample *sample) {
    for (int k = 0; k < sample->inputs; k++)
        bpi_free(sample->x[k].values);
    sample->inputs = 0;
}

const char *bpi_operand_name(const bp_op *op, int k) {
    const char *name = op->arity != BP_VARIADIC && k < 4 ? op->operands[k].name : NULL;
    return name ? name : op->operands[0].name ? op->operands[0].name : "x";
}

bp_tensor *bpi_sample_input(const bpi_sample *sample, int k, bp_graph *graph, const char *name,
                            bp_dtype dtype) {
    const bpi_sample_operand *x = &sample->x[k];
    bp_dtype own = x->fixed ? x->type.dtype : dtype;
    bp_tensor *input = bp_input(graph, name, own, x->type.shape);
    void *data = bpi_alloc((size_t)x->count * bp_dtype_size(own));
    if (!data)
        input = bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory for a sample");
    for (int64_t i = 0; input && i < x->count; i++)
        bpi_store(own, data, i, x->values[i]);
    if (input && bp_write(input, data) != BP_OK)
        input = NULL;
    bpi_free(data);
    return input;
}

bp_tensor *bpi_sample_record(const bpi_sample *sample, bp_tensor *const *x, bp_dtype dtype) {
    bp_attr attr[BP_MAX_ATTRS];
    for (int k = 0; k < BP_MAX_ATTRS; k++)
        attr[k] = sample->attr_float[k] ? bp_attr_dtype(dtype) : sample->attr[k];
    return bp_record(sample->op, x, sample->inputs, attr);
}

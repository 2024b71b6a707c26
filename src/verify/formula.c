/* Parses formulas by recursive descent, one function per line of the grammar in
 * docs/formulas.md. */
#include "formula.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../text.h"

enum { DEEPEST = 64, LONGEST_NAME = 64, MOST_ARGS = 8 };

typedef struct parser {
    const char *text, *at;
    bpi_arena *arena;
    int depth; /* of nested parentheses, choices and signs */
    bp_status status;
    bp_failure *why;
} parser;

static bpi_expr *parse_choice(parser *p);
static bpi_expr *parse_negation(parser *p);

/* ---- tokens ---------------------------------------------------------------------------------- */

static bpi_expr *fail(parser *p, bp_status status, const char *what) {
    if (p->status == BP_OK)
        p->status =
            bpi_fail(p->why, status, "formula \"%.200s\", at \"%.20s\": %s", p->text, p->at, what);
    return NULL;
}

static void skip_spaces(parser *p) {
    while (isspace((unsigned char)*p->at))
        p->at++;
}

/* Takes a sign of one or two characters if it comes next. "<" does not take the
 * first half of "<=". */
static bool take(parser *p, const char *sign) {
    skip_spaces(p);
    size_t length = strlen(sign);
    if (strncmp(p->at, sign, length) != 0)
        return false;
    if (length == 1 && strchr("<>=", sign[0]) && p->at[1] == '=')
        return false;
    p->at += length;
    return true;
}

static const char *take_name(parser *p) {
    skip_spaces(p);
    size_t length = 0;
    while (isalnum((unsigned char)p->at[length]) || p->at[length] == '_')
        length++;
    if (length == 0 || isdigit((unsigned char)*p->at)) {
        fail(p, BP_ERR_FORMAT, "a name is expected");
        return NULL;
    }
    if (length >= LONGEST_NAME) {
        fail(p, BP_ERR_FORMAT, "the name is too long");
        return NULL;
    }
    char name[LONGEST_NAME];
    memcpy(name, p->at, length);
    name[length] = 0;
    const char *copy = bpi_arena_text(p->arena, name);
    if (!copy)
        fail(p, BP_ERR_MEMORY, "out of memory");
    p->at += length;
    return copy;
}

/* Reads digits, fraction and exponent; strtod would depend on the locale and take "inf". */
static bool take_number(parser *p, double *number) {
    const char *at = p->at;
    double value = 0;
    int digits = 0, scale = 0;
    for (; isdigit((unsigned char)*at); at++, digits++)
        value = value * 10 + (*at - '0');
    if (*at == '.')
        for (at++; isdigit((unsigned char)*at); at++, digits++, scale--)
            value = value * 10 + (*at - '0');
    if (digits == 0)
        return false;
    if (*at == 'e' || *at == 'E') {
        const char *exponent = at + 1;
        int sign = *exponent == '-' ? -1 : 1, power = 0;
        exponent += *exponent == '-' || *exponent == '+';
        if (isdigit((unsigned char)*exponent)) {
            for (; isdigit((unsigned char)*exponent); exponent++)
                power = power < 1000 ? power * 10 + (*exponent - '0') : power;
            scale += sign * power;
            at = exponent;
        }
    }
    double factor = 1; /* exact up to 1e22, so 0.1 is 1 / 10: correctly rounded */
    for (int k = 0; k < abs(scale); k++)
        factor *= 10;
    *number = scale < 0 ? value / factor : value * factor;
    p->at = at;
    return true;
}

/* ---- the tree -------------------------------------------------------------------------------- */

static bpi_expr *node(parser *p, bpi_expr_kind kind, const char *name, bpi_expr *const *arg,
                      int args) {
    bpi_expr *expr = bpi_arena_alloc(p->arena, sizeof *expr);
    bpi_expr **copy = bpi_arena_alloc(p->arena, (size_t)(args + 1) * sizeof *copy);
    if (!expr || !copy)
        return fail(p, BP_ERR_MEMORY, "out of memory");
    *expr = (bpi_expr){.kind = kind, .args = args, .name = name, .arg = copy};
    for (int k = 0; k < args; k++) {
        if (!arg[k])
            return NULL;
        copy[k] = arg[k];
        if (expr->depth <= arg[k]->depth)
            expr->depth = arg[k]->depth + 1;
    }
    if (expr->depth > DEEPEST)
        return fail(p, BP_ERR_FORMAT, "nested too deeply");
    return expr;
}

static bpi_expr *node2(parser *p, bpi_expr_kind kind, bpi_expr *left, bpi_expr *right) {
    return left && right ? node(p, kind, NULL, (bpi_expr *[]){left, right}, 2) : NULL;
}

/* Parses what stands between brackets, up to `close`. */
static int parse_args(parser *p, bpi_expr **arg, int args, const char *close) {
    if (take(p, close))
        return args;
    do {
        if (args == MOST_ARGS)
            fail(p, BP_ERR_FORMAT, "too many arguments");
        else
            arg[args++] = parse_choice(p);
    } while (p->status == BP_OK && take(p, ","));
    if (p->status == BP_OK && !take(p, close))
        fail(p, BP_ERR_FORMAT, "a comma or a closing bracket is expected");
    return args;
}

/* ---- the grammar, from the innermost line to the outermost ----------------------------------- */

static bpi_expr *parse_primary(parser *p) {
    skip_spaces(p);
    bpi_expr *arg[MOST_ARGS] = {NULL};
    double number;
    if (take_number(p, &number)) {
        bpi_expr *expr = node(p, BPI_EXPR_NUMBER, NULL, NULL, 0);
        if (expr)
            expr->number = number;
        return expr;
    }
    if (take(p, "(")) {
        bpi_expr *inner = parse_choice(p);
        return inner && !take(p, ")") ? fail(p, BP_ERR_FORMAT, "\")\" is expected") : inner;
    }
    if (!isalpha((unsigned char)*p->at) && *p->at != '_')
        return fail(p, BP_ERR_FORMAT, "a number, a name or \"(\" is expected");
    const char *name = take_name(p);
    if (!name)
        return NULL;
    if (!take(p, "("))
        return node(p, BPI_EXPR_NAME, name, NULL, 0);
    int args = parse_args(p, arg, 0, ")");
    return p->status == BP_OK ? node(p, BPI_EXPR_CALL, name, arg, args) : NULL;
}

static bpi_expr *parse_postfix(parser *p) {
    bpi_expr *expr = parse_primary(p);
    while (expr) {
        bpi_expr *arg[MOST_ARGS] = {expr};
        if (take(p, "'")) {
            expr = node(p, BPI_EXPR_TRANSPOSE, NULL, arg, 1);
        } else if (take(p, "[")) {
            int args = parse_args(p, arg, 1, "]");
            expr = p->status == BP_OK ? node(p, BPI_EXPR_INDEX, NULL, arg, args) : NULL;
        } else {
            break;
        }
    }
    return expr;
}

static bpi_expr *parse_power(parser *p) {
    bpi_expr *base = parse_postfix(p);
    return base && take(p, "^") ? node2(p, BPI_EXPR_POWER, base, parse_negation(p)) : base;
}

static bpi_expr *parse_negation(parser *p) {
    if (++p->depth > DEEPEST) /* signs and powers of powers come back here */
        return fail(p, BP_ERR_FORMAT, "nested too deeply");
    bool negative = take(p, "-");
    bpi_expr *inner = negative ? parse_negation(p) : parse_power(p);
    p->depth--;
    return negative && inner ? node(p, BPI_EXPR_NEGATE, NULL, &inner, 1) : inner;
}

static bpi_expr *parse_product(parser *p) {
    bpi_expr *left = parse_negation(p);
    while (left) {
        if (take(p, "*"))
            left = node2(p, BPI_EXPR_MUL, left, parse_negation(p));
        else if (take(p, "/"))
            left = node2(p, BPI_EXPR_DIV, left, parse_negation(p));
        else if (take(p, "@"))
            left = node2(p, BPI_EXPR_MATMUL, left, parse_negation(p));
        else
            break;
    }
    return left;
}

static bpi_expr *parse_sum(parser *p) {
    bpi_expr *left = parse_product(p);
    while (left) {
        if (take(p, "+"))
            left = node2(p, BPI_EXPR_ADD, left, parse_product(p));
        else if (take(p, "-"))
            left = node2(p, BPI_EXPR_SUB, left, parse_product(p));
        else
            break;
    }
    return left;
}

static bpi_expr *parse_comparison(parser *p) {
    static const struct {
        const char *sign;
        bpi_expr_kind kind;
    } signs[] = {{"<=", BPI_EXPR_LESS_EQUAL}, {">=", BPI_EXPR_GREATER_EQUAL},
                 {"==", BPI_EXPR_EQUAL},      {"!=", BPI_EXPR_NOT_EQUAL},
                 {"<", BPI_EXPR_LESS},        {">", BPI_EXPR_GREATER}};
    bpi_expr *left = parse_sum(p);
    for (size_t k = 0; left && k < sizeof signs / sizeof signs[0]; k++)
        if (take(p, signs[k].sign))
            return node2(p, signs[k].kind, left, parse_sum(p));
    return left;
}

static bpi_expr *parse_choice(parser *p) {
    if (++p->depth > DEEPEST)
        return fail(p, BP_ERR_FORMAT, "nested too deeply");
    bpi_expr *expr = parse_comparison(p);
    if (expr && take(p, "?")) {
        bpi_expr *arg[3] = {expr, parse_choice(p), NULL};
        if (arg[1] && !take(p, ":"))
            fail(p, BP_ERR_FORMAT, "\":\" is expected");
        if (p->status == BP_OK)
            arg[2] = parse_choice(p);
        expr = arg[1] && arg[2] ? node(p, BPI_EXPR_CHOICE, NULL, arg, 3) : NULL;
    }
    p->depth--;
    return expr;
}

static bpi_statement parse_statement(parser *p, bool list) {
    bpi_statement statement = {NULL, NULL};
    if (!list) {
        statement.name = take_name(p);
        if (statement.name && !take(p, "="))
            fail(p, BP_ERR_FORMAT, "\"=\" is expected");
    }
    if (p->status == BP_OK)
        statement.value = parse_choice(p);
    return statement;
}

bp_status bpi_formula_parse(const char *text, bool list, bpi_formula *formula, bp_failure *why) {
    *formula = (bpi_formula){0};
    if (!text || !*text)
        return BP_OK;
    parser p = {.text = text, .at = text, .arena = &formula->arena, .why = why};
    int most = 1;
    for (const char *c = text; *c; c++)
        most += *c == ';';
    formula->statements = bpi_arena_alloc(p.arena, (size_t)most * sizeof(bpi_statement));
    if (!formula->statements)
        fail(&p, BP_ERR_MEMORY, "out of memory");
    do {
        if (p.status == BP_OK)
            formula->statements[formula->count++] = parse_statement(&p, list);
    } while (p.status == BP_OK && take(&p, ";"));
    skip_spaces(&p);
    if (p.status == BP_OK && *p.at)
        fail(&p, BP_ERR_FORMAT, "an operator or \";\" is expected");
    if (p.status != BP_OK)
        formula->count = 0;
    return p.status;
}

void bpi_formula_free(bpi_formula *formula) {
    bpi_arena_free(&formula->arena);
    *formula = (bpi_formula){0};
}

const bpi_expr *bpi_formula_find(const bpi_formula *formula, const char *name) {
    for (int k = formula->count - 1; k >= 0; k--)
        if (formula->statements[k].name && strcmp(formula->statements[k].name, name) == 0)
            return formula->statements[k].value;
    return NULL;
}

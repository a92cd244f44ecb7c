import random
import unittest

from sql.clauses import read
from sql.explain import explain
from sql.faults import faults_of, looks_like_sql
from sql.places import Places
from sql.sources import assembled, in_program, in_question
from sql.tokens import statements, tokens, written


def words(text):
    return [token.text for token in tokens(text)]


def one(text):
    (group,) = statements(tokens(text))
    return read(group)


def codes(text):
    return [fault.code for fault in faults_of(text)]


class Tokens(unittest.TestCase):
    def test_words_strings_and_comments(self):
        text = "select a.\"b c\", [d e], `f`, 'it''s' -- no\n, $x$ ; ' $x$ /* a /* b */ c */ , 1.5e3, ?, :p, %(q)s, $1, a::int"
        self.assertEqual(
            words(text),
            ["select", "a", ".", '"b c"', ",", "[d e]", ",", "`f`", ",", "'it''s'", ",", "$x$ ; ' $x$", ",", "1.5e3", ",", "?", ",", ":p",
             ",", "%(q)s", ",", "$1", ",", "a", "::", "int"],
        )  # fmt: skip

    def test_what_is_not_closed_ends_with_the_text(self):
        for text in ("'abc", '"abc', "/* abc", "$$abc", "`abc", "(((", ")))"):
            self.assertLessEqual(len(words(text)), 3, text)

    def test_statements_end_with_semicolons_outside_of_brackets(self):
        self.assertEqual(len(statements(tokens("select ';'; select (1;2);;"))), 2)

    def test_it_is_written_on_one_line(self):
        self.assertEqual(written(tokens("count( * )\n,a . b,x in(1,2)  , f (y)")), "count(*), a.b, x in(1, 2), f (y)")


class Clauses(unittest.TestCase):
    def heads(self, text):
        return [clause.head for clause in one(text).clauses]

    def test_heads_are_found_outside_of_brackets_alone(self):
        text = "select a, (select 1 from b where c) from d left outer join e on f where g group by h having i order by j limit 1 offset 2"
        self.assertEqual(
            self.heads(text),
            ["SELECT", "FROM", "LEFT JOIN", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "OFFSET"],
        )

    def test_other_statements(self):
        self.assertEqual(self.heads("insert into t (a) values (1) on conflict do nothing returning a"),
                         ["INSERT INTO", "VALUES", "ON CONFLICT", "RETURNING"])  # fmt: skip
        self.assertEqual(self.heads("update t set a = 1 from u where left(b, 1) is distinct from 'x'"), ["UPDATE", "SET", "FROM", "WHERE"])
        self.assertEqual(self.heads("delete from t using u where a"), ["DELETE FROM", "USING", "WHERE"])
        self.assertEqual(self.heads("create table t (a int default 1, b text)"), ["CREATE"])
        self.assertEqual(self.heads("(select a from b) union all (select c from d)"), ["SELECT", "FROM", "UNION ALL"])
        self.assertEqual(self.heads("what is this"), [])

    def test_common_tables(self):
        statement = one("with recursive a (x) as (select 1), b as not materialized (select 2) select * from a, b")
        self.assertEqual([name for name, _ in statement.tables], ["a", "b"])
        self.assertEqual(statement.verb, "SELECT")


class Explained(unittest.TestCase):
    def told(self, text):
        return "\n".join(explain(one(text)))

    def test_clause_by_clause(self):
        told = self.told(
            "SELECT c.name, COUNT(*) AS orders FROM customers c LEFT JOIN orders o ON o.customer = c.id AND o.day BETWEEN 1 AND 2 "
            "WHERE c.id IN (SELECT id FROM active) GROUP BY c.name ORDER BY orders DESC LIMIT 10"
        )
        for part in (
            "- `SELECT` — gives back 2 columns:\n  - `c.name`\n  - `COUNT(*)` (how many), called `orders`",
            "- `FROM` — reads from `customers` (called `c`)",
            "- `LEFT JOIN` — adds `orders` (called `o`); rows without a partner stay, with NULL for its columns. Rows are partners where:\n"
            "  - `o.customer = c.id`\n  - `o.day BETWEEN 1 AND 2`",
            "- `WHERE` — keeps only rows for which:\n  - `c.id IN (SELECT id FROM active)`\n  - the query in brackets:\n"
            "    - `SELECT` — gives back one column:\n      - `id`",
            "- `ORDER BY` — sorts by `orders`, largest first",
            "- `LIMIT` — gives back at most this many rows: `10`",
        ):
            self.assertIn(part, told)

    def test_changes(self):
        self.assertIn("changes rows of `t`", self.told("update t set a = 1, b = 2 where c = 3 or d"))
        self.assertIn("`AND` counts before `OR`", self.told("update t set a = 1 where c and e or d"))
        self.assertIn("adds rows to `t`, with values for `a`, `b`", self.told("insert into t (a, b) values (1, 2), (3, 4)"))
        self.assertIn("with 2 rows, the first: `(1, 2)`", self.told("insert into t (a, b) values (1, 2), (3, 4)"))
        self.assertIn("makes `table t` with:\n  - `a int`", self.told("create table t (a int, b text)"))
        self.assertIn("stands for a query of its own:\n  - `SELECT`", self.told("with a as (select 1) select 2"))

    def test_backticks_and_depth_do_no_harm(self):
        self.assertIn("`` `a b` ``", self.told("select `a b` from t"))
        for opening in ("(select ", "(", "(values "):
            deep = "select " + opening * 5000 + "1" + ")" * 5000
            self.assertIn("SELECT", self.told(deep))
            faults_of(deep)


class Faults(unittest.TestCase):
    def test_each_is_found_and_nothing_else(self):
        self.assertEqual(codes("select * from a"), ["select-star"])
        self.assertEqual(codes("select a.*, count(*), b * c from a"), ["select-star"])
        self.assertEqual(codes("select 1 from a where exists (select * from b where b.x = a.x)"), [])
        self.assertEqual(codes("delete from a"), ["missing-where"])
        self.assertEqual(codes("update a set b = 1"), ["missing-where"])
        self.assertEqual(codes("update a set b = 1 where c = 2; delete from a where b is null"), [])
        self.assertEqual(codes("select x from a, b where a.i = b.i"), ["implicit-join"])
        self.assertEqual(codes("select x from a join b on a.i = b.i where c not in (1, 2)"), [])
        self.assertEqual(codes("select x from a where b = null and c like '%x'"), ["null-comparison", "leading-wildcard"])
        self.assertEqual(codes("select x from a where b not in (select c from d)"), ["not-in-query"])
        self.assertEqual(codes("select x from a limit 3"), ["limit-without-order"])
        self.assertEqual(codes("with a as (select * from b) select x from (select * from c) d"), ["select-star", "select-star"])
        self.assertEqual(codes("execute 'delete from a where b = ' || c"), ["injection"])
        self.assertEqual(codes("execute 'delete from a where b = $1' using c"), [])

    def test_where_nothing_says_what_belongs_together_it_is_grave(self):
        (fault,) = faults_of("select x from a, b")
        self.assertTrue(fault.is_grave)

    def test_faults_lie_where_they_are(self):
        text = "select 1;\nselect * from a"
        (fault,) = faults_of(text)
        self.assertEqual(text[fault.start : fault.end], "*")
        self.assertEqual(Places(text).at(fault.start), (1, 7))


class Sources(unittest.TestCase):
    def test_sql_in_questions(self):
        self.assertEqual(in_question("What does this do?\n```sql\nselect a from b\n```\nThanks"), ["select a from b\n"])
        self.assertEqual(in_question("What does `delete from a` do?"), ["delete from a"])
        self.assertEqual(in_question("why is SELECT a FROM b slow?"), ["SELECT a FROM b slow"])
        for text in ("please update the docs with details", "select one", "`x`", "", "```\nnothing\n```"):
            self.assertEqual(in_question(text), [], text)

    def test_sql_in_programs(self):
        good = [
            'db.run("SELECT a FROM b WHERE c = ?", c)',
            "x = 'select a from b ' + 'where c = %s'",
            'cursor.execute("""select a\nfrom b where c = %s""", (c,))',
            "sql`select a from b`",
            'f"select a from b where c = {{}}"',
        ]
        bad = [
            'db.run("SELECT a FROM b WHERE c = " + c)',
            "f'select a from b where c = {c}'",
            "`select a from b where c = ${c}`",
            '"select a from b where c = %s" % c',
            '"select a from b where c = {}".format(c)',
            '$"select a from b where c = {c}"',
            '"select a from b where c = " . $c',
            "'select a from b ' + 'where c = ' + c",
            '"delete from b where c = #{c}"',
        ]
        for text in good:
            self.assertEqual((len(in_program(text)), assembled(text)), (1, []), text)
        for text in bad:
            self.assertEqual([fault.code for fault in assembled(text)], ["injection"], text)
        self.assertEqual(in_program("a = 'hello' + \"it's\""), [])

    def test_what_looks_like_sql(self):
        for text in ("with a as (select 1) select 2", "drop table x", "create unique index i on t (a)", "select 1"):
            self.assertTrue(looks_like_sql(text), text)
        for text in ("update your mind", "selection", "drop it", "with love"):
            self.assertFalse(looks_like_sql(text), text)


class Anything(unittest.TestCase):
    PIECES = (
        "select ( ) , ; * from where and or not in exists ' \" ` $$ -- /* */ \n join on left union all with as recursive update set delete "
        "insert into values null = || + like '%x' between 1 ? :a [b] create table group by order limit é 😀 \\ {x} % using case when"
    ).split(" ")

    def test_no_text_breaks_it(self):
        chance = random.Random(7)
        for _ in range(3000):
            text = " ".join(chance.choice(self.PIECES) for _ in range(chance.randrange(40)))
            for group in statements(tokens(text)):
                explain(read(group))
            places = Places(text)
            for fault in [*faults_of(text), *assembled(text)]:
                self.assertTrue(0 <= fault.start < fault.end <= len(text))
                self.assertEqual(places.between(places.at(fault.start), places.at(fault.end)), text[fault.start : fault.end])
            in_question(text)


if __name__ == "__main__":
    unittest.main()

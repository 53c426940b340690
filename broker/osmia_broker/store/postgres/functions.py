"""Functions that the lists use and PostgreSQL lacks: those that SQLite has, or that the broker gives to SQLite.

They are made with the tables. A list calls them in the same places on both databases (`store/read/sql/dialect.py`).
"""

from osmia_broker.state.store_protocol import PARTITION_BITS
from osmia_broker.store.read.sql.numbers import LOWER_PARTITION_BITS, NAME_BITS, SCOPE_BITS

_LOWER_PARTITION, _LOWER_SCOPE, _LOWER_NAME = (
    (1 << bits) - 1 for bits in (LOWER_PARTITION_BITS, SCOPE_BITS, NAME_BITS)
)

#: The items of an array that is given as text, with their places from 0.
ITEMS = """
CREATE FUNCTION osmia_items(stored text) RETURNS TABLE (key bigint, value text) LANGUAGE sql IMMUTABLE AS $$
    SELECT place - 1, item FROM json_array_elements_text(stored::json) WITH ORDINALITY AS found (item, place)
$$
"""
#: The same for numbers.
KEYS = """
CREATE FUNCTION osmia_keys(stored text) RETURNS TABLE (key bigint, value bigint) LANGUAGE sql IMMUTABLE AS $$
    SELECT place - 1, item::bigint FROM json_array_elements_text(stored::json) WITH ORDINALITY AS found (item, place)
$$
"""
#: A stored array of texts; empty if it is corrupt.
TEXTS = """
CREATE FUNCTION osmia_texts(stored text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ARRAY(SELECT json_array_elements_text(stored::json));
EXCEPTION WHEN others THEN
    RETURN '{}';
END
$$
"""
#: The number that a text begins with; NULL if it is none. The text of a long number may have been cut.
NUMBER = """
CREATE FUNCTION osmia_number(stored text) RETURNS double precision LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN substring(stored from '^-?[0-9]+(?:[.][0-9]+)?(?:[eE][-+]?[0-9]+)?')::double precision;
EXCEPTION WHEN numeric_value_out_of_range THEN
    RETURN CASE WHEN stored ~ '[eE]-' THEN 0 WHEN stored LIKE '-%' THEN '-infinity' ELSE 'infinity'::double precision END;
END
$$
"""
#: The regular expression for a pattern of SQLite's GLOB, as `dialect.pattern` makes them.
GLOB = r"""
CREATE FUNCTION osmia_glob(pattern text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '^' || replace(replace(replace(replace(
        regexp_replace(replace(replace(pattern, '[*]', chr(1)), '[?]', chr(2)), '([\\.^$|()+{}])', '\\\1', 'g'),
        '*', '.*'), '?', '.'), chr(1), '[*]'), chr(2), '[?]') || '$'
$$
"""
#: `numbers.error_hash`: over UTF-16, as Java computes it.
ERROR_HASH = """
CREATE FUNCTION osmia_error_hash(message text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    hashed bigint := 0;
    code bigint;
BEGIN
    FOREACH code IN ARRAY (SELECT coalesce(array_agg(ascii(c)), '{}') FROM regexp_split_to_table(message, '') AS c WHERE c <> '')
    LOOP
        IF code > 65535 THEN
            hashed := (31 * hashed + 55296 + ((code - 65536) >> 10)) & 4294967295;
            code := 56320 + ((code - 65536) & 1023);
        END IF;
        hashed := (31 * hashed + code) & 4294967295;
    END LOOP;
    RETURN CASE WHEN hashed >= 2147483648 THEN hashed - 4294967296 ELSE hashed END;
END
$$
"""
#: `numbers.variable_key`.
VARIABLE_KEY = f"""
CREATE FUNCTION osmia_variable_key(scope_key bigint, name text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT (((((scope_key >> {PARTITION_BITS}) & {_LOWER_PARTITION}) << {SCOPE_BITS}) | (scope_key & {_LOWER_SCOPE}))
            << {NAME_BITS})
           | (('x' || encode(substring(sha256(convert_to(name, 'UTF8')) from 1 for 4), 'hex'))::bit(32)::bigint & {_LOWER_NAME})
$$
"""

ALL = (ITEMS, KEYS, TEXTS, NUMBER, GLOB, ERROR_HASH, VARIABLE_KEY)

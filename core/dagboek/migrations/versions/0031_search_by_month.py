"""A search reads one month after the other, as a word of many documents that are all old took as long as all that are newer.

Revision ID: 0031
"""

from alembic import op

from dagboek.migrations.isolation import ROLE, TENANT

revision = "0031"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # an index is built with a bare search path, and a function with the owner's rights has its own: both name the schema
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for statement in STATEMENTS.replace(SCHEMA, schema).split(";\n\n"):
        op.execute(statement)


SCHEMA = "schema_of_tables"

MANY = 1_000
"""Documents of a month in which the words are. Where there are more, the month is read by date instead, in which they are
met with soon; these are all read and put in order."""

MANY_OF_OTHERS = 100
"""The same where one company's are wanted, of which each month has few by itself."""

FILTERED = """
    (of_direction IS NULL OR d.direction = of_direction) AND (of_kind IS NULL OR d.kind = of_kind)
    AND (since IS NULL OR d.issue_date >= since) AND (until IS NULL OR d.issue_date <= until)
    AND (after_date IS NULL OR (d.issue_date, d.identity) < (after_date, after_identity))"""

KEPT = f"d.tenant_id = mine AND (of_entity IS NULL OR d.entity_id = of_entity) AND {FILTERED}"

FIRST = "ORDER BY d.issue_date DESC, d.identity DESC LIMIT most"

# Words bear their shelf: tenant, month, direction and kind, by which no document is met with that could not be wanted.
# Others' are on the same one once in millions of times, and are left out by what they are. What is longer than a word of
# an index may be is cut. What is in the index and not in order yet is read with each shelf, so it is kept little.
STATEMENTS = rf"""
DROP FUNCTION documents_found;

ALTER TABLE document DROP words;

DROP FUNCTION search_words;

DROP FUNCTION search_query;

CREATE FUNCTION search_shelf(tenant_id uuid, month date, direction text, kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(tenant_id::text, 6) || to_hex((extract(year FROM month) * 12 + extract(month FROM month))::int * 4
        + CASE direction WHEN 'sales' THEN 2 ELSE 0 END + CASE kind WHEN 'invoice' THEN 1 ELSE 0 END)
$$;

CREATE FUNCTION search_words(shelf text, number text, name text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(string_to_array(ltrim(regexp_replace(' ' || schema_of_tables.search_folded(
        left(number, 100) || ' ' || regexp_replace(left(number, 100), '[^[:alnum:]]+', '', 'g')
        || regexp_replace(left(number, 100), '(^|[^0-9])0*', ' ', 'g') || ' ' || left(name, 300)),
        '[^[:alnum:]]+', ' ' || shelf || ':', 'g')), ' '))
$$;

CREATE FUNCTION search_form(written text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg(DISTINCT '''@:' || word || ''':*', ' & ')
    FROM regexp_split_to_table(schema_of_tables.search_folded(left(written, 100)), '[^[:alnum:]]+') AS word WHERE word <> ''
$$;

CREATE FUNCTION search_query(form text, shelf text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT replace(form, '@', shelf)::tsquery
$$;

ALTER TABLE document ADD words tsvector GENERATED ALWAYS AS (
    search_words(search_shelf(tenant_id, issue_date, direction, kind), number, party_name)) STORED;

CREATE INDEX document_words ON document USING gin (words) WITH (gin_pending_list_limit = 128);

-- Operators list those of all tenants.
CREATE INDEX connection_oldest ON connection (created_at, id) WHERE deleted_at IS NULL;

CREATE FUNCTION documents_found(written text, of_entity uuid, of_direction text, of_kind text, since date, until date,
                                after_date date, after_identity text, most integer)
RETURNS TABLE (found_date date, found_identity text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = schema_of_tables, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    mine uuid := {TENANT};
    form text := search_form(written);
    directions text[] := CASE WHEN of_direction IS NULL THEN ARRAY['sales', 'purchase'] ELSE ARRAY[of_direction] END;
    kinds text[] := CASE WHEN of_kind IS NULL THEN ARRAY['invoice', 'credit_note'] ELSE ARRAY[of_kind] END;
    latest date := coalesce(least(until, after_date), 'infinity');
    many integer := CASE WHEN of_entity IS NULL THEN {MANY} ELSE {MANY_OF_OTHERS} END;
    month date;
    sought tsquery;
    met integer;
    some_dates date[];
    some_identities text[];
    dates date[] := '{{}}';
    identities text[] := '{{}}';
BEGIN
    WHILE form IS NOT NULL AND cardinality(identities) < most LOOP
        IF of_entity IS NULL THEN
            latest := (SELECT max(d.issue_date) FROM document d WHERE d.tenant_id = mine AND d.issue_date <= latest);
        ELSE
            latest := (SELECT max(newest.issue_date) FROM unnest(directions) AS one (direction), LATERAL (
                           SELECT max(d.issue_date) AS issue_date FROM document d
                           WHERE d.tenant_id = mine AND d.entity_id = of_entity AND d.direction = one.direction
                             AND d.issue_date <= latest) newest);
        END IF;
        EXIT WHEN latest IS NULL OR latest < since;
        month := date_trunc('month', latest::timestamp);
        sought := (SELECT string_agg(replace(form, '@', search_shelf(mine, month, direction, kind)), ' | ')::tsquery
                   FROM unnest(directions) direction, unnest(kinds) kind);
        SELECT count(*), array_agg(d.issue_date) FILTER (WHERE {KEPT}), array_agg(d.identity) FILTER (WHERE {KEPT})
          INTO met, some_dates, some_identities
          FROM (SELECT * FROM document WHERE words @@ sought LIMIT many + 1) d;
        IF met > many AND of_entity IS NULL THEN
            SELECT array_agg(first.issue_date), array_agg(first.identity) INTO some_dates, some_identities FROM (
                SELECT d.issue_date, d.identity FROM document d
                WHERE d.tenant_id = mine AND d.issue_date BETWEEN month AND latest AND d.words @@ sought
                  AND {FILTERED} {FIRST}) first;
        ELSIF met > many THEN
            SELECT array_agg(first.issue_date), array_agg(first.identity) INTO some_dates, some_identities FROM (
                SELECT d.issue_date, d.identity FROM document d
                WHERE d.tenant_id = mine AND d.entity_id = of_entity AND d.direction = ANY (directions)
                  AND d.issue_date BETWEEN month AND latest AND d.words @@ sought AND {FILTERED} {FIRST}) first;
        END IF;
        dates := dates || some_dates;
        identities := identities || some_identities;
        latest := month - 1;
    END LOOP;
    RETURN QUERY SELECT * FROM (
        SELECT * FROM unnest(dates, identities)
        UNION
        (SELECT d.issue_date, d.identity FROM link l JOIN document d ON d.tenant_id = mine AND d.identity = l.identity
         WHERE l.tenant_id = mine AND l.current AND l.kind = 'document' AND l.entry_number = written AND {KEPT} {FIRST})
    ) found (issue_date, identity) ORDER BY issue_date DESC, identity DESC LIMIT most;
END $$;

REVOKE EXECUTE ON FUNCTION documents_found FROM PUBLIC;

GRANT EXECUTE ON FUNCTION documents_found TO {ROLE}
"""

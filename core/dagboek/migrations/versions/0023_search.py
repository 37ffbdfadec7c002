"""Documents are found by the beginnings of words, and booking numbers as a whole.

Revision ID: 0023
"""

from alembic import op

from dagboek.migrations.isolation import ROLE, TENANT

revision = "0023"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # an index is built with a bare search path, and a function with the owner's rights has its own: both name the schema
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for statement in STATEMENTS.replace(SCHEMA, schema).split(";\n\n"):
        op.execute(statement)


SCHEMA = "schema_of_tables"


FILTERED = """
    AND (of_entity IS NULL OR d.entity_id = of_entity)
    AND (of_direction IS NULL OR d.direction = of_direction)
    AND (of_kind IS NULL OR d.kind = of_kind)
    AND (since IS NULL OR d.issue_date >= since)
    AND (until IS NULL OR d.issue_date <= until)
    AND (after_date IS NULL OR (d.issue_date, d.identity) < (after_date, after_identity))"""

FIRST = "ORDER BY d.issue_date DESC, d.identity DESC LIMIT most"

FEW = 10_000
"""Of which all are read and put in order. Where there are more, the newest documents are walked through instead, as one of
few would be met with too late, if the few are all old."""

# Words bear the beginning of their tenant's id, so that one tenant's are not sought among those of all. What is longer
# than a word of an index may be is cut.
STATEMENTS = rf"""
CREATE FUNCTION search_folded(written text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(lower(CASE WHEN written ~ '[^\x01-\x7f]'
        THEN regexp_replace(normalize(written, NFKD), '[\u0300-\u036f]', '', 'g') ELSE written END), 450)
$$;

CREATE FUNCTION search_words(tenant_id uuid, number text, name text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(string_to_array(ltrim(regexp_replace(' ' || schema_of_tables.search_folded(
        left(number, 100) || ' ' || regexp_replace(left(number, 100), '[^[:alnum:]]+', '', 'g')
        || regexp_replace(left(number, 100), '(^|[^0-9])0*', ' ', 'g') || ' ' || left(name, 300)),
        '[^[:alnum:]]+', ' ' || left(tenant_id::text, 8) || ':', 'g')), ' '))
$$;

CREATE FUNCTION search_query(tenant_id uuid, written text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg('''' || left(tenant_id::text, 8) || ':' || word || ''':*', ' & ')::tsquery
    FROM regexp_split_to_table(schema_of_tables.search_folded(left(written, 100)), '[^[:alnum:]]+') AS word WHERE word <> ''
$$;

ALTER TABLE document ADD words tsvector GENERATED ALWAYS AS (search_words(tenant_id, number, party_name)) STORED;

CREATE INDEX document_words ON document USING gin (words);

CREATE INDEX link_booking_number ON link (tenant_id, entry_number)
WHERE current AND kind = 'document' AND entry_number IS NOT NULL;

CREATE INDEX document_party ON document (tenant_id, party_identity);

CREATE FUNCTION documents_found(written text, of_entity uuid, of_direction text, of_kind text, since date, until date,
                                after_date date, after_identity text, most integer)
RETURNS TABLE (found_date date, found_identity text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = schema_of_tables, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    mine uuid := {TENANT};
    sought tsquery := search_query(mine, written);
    dates date[];
    identities text[];
BEGIN
    SELECT array_agg(few.issue_date), array_agg(few.identity) INTO dates, identities
    FROM (SELECT d.issue_date, d.identity FROM document d
          WHERE d.tenant_id = mine AND d.words @@ sought {FILTERED} LIMIT {FEW} + 1) few;
    IF cardinality(identities) > {FEW} THEN
        SELECT array_agg(first.issue_date), array_agg(first.identity) INTO dates, identities
        FROM (SELECT d.issue_date, d.identity FROM document d
              WHERE d.tenant_id = mine AND d.words @@ sought {FILTERED} {FIRST}) first;
    END IF;
    RETURN QUERY SELECT * FROM (
        SELECT * FROM unnest(dates, identities)
        UNION
        (SELECT d.issue_date, d.identity FROM link l JOIN document d ON d.tenant_id = mine AND d.identity = l.identity
         WHERE l.tenant_id = mine AND l.current AND l.kind = 'document' AND l.entry_number = written {FILTERED} {FIRST})
    ) found (issue_date, identity) ORDER BY issue_date DESC, identity DESC LIMIT most;
END $$;

REVOKE EXECUTE ON FUNCTION documents_found FROM PUBLIC;

GRANT EXECUTE ON FUNCTION documents_found TO {ROLE}
"""

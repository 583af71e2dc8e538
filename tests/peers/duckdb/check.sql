-- Cells are read as text, as the published configuration means them: a cell of
-- another type is one error and not the end of the file.
WITH cells AS (
  SELECT * FROM read_csv(FILE, header = true, all_varchar = true, delim = ',', quote = '"', auto_detect = false,
    columns = {'id': 'VARCHAR', 'sku': 'VARCHAR', 'cantidad': 'VARCHAR', 'precio': 'VARCHAR', 'total': 'VARCHAR',
      'alta': 'VARCHAR', 'entrega': 'VARCHAR', 'activo': 'VARCHAR', 'estado': 'VARCHAR', 'zona': 'VARCHAR'})
), typed AS (
  SELECT id AS id_text, TRY_CAST(id AS BIGINT) AS id, sku, cantidad AS cantidad_text, TRY_CAST(cantidad AS BIGINT) AS cantidad,
    precio AS precio_text, TRY_CAST(precio AS DOUBLE) AS precio, total AS total_text, TRY_CAST(total AS DOUBLE) AS total,
    alta AS alta_text, TRY_CAST(alta AS DATE) AS alta, entrega AS entrega_text, TRY_CAST(entrega AS DATE) AS entrega,
    activo AS activo_text, TRY_CAST(activo AS BOOLEAN) AS activo, estado
  FROM cells
)
SELECT count(*),
  -- types
  count(*) FILTER (id IS NULL AND id_text IS NOT NULL) + count(*) FILTER (cantidad IS NULL AND cantidad_text IS NOT NULL)
  + count(*) FILTER (precio IS NULL AND precio_text IS NOT NULL) + count(*) FILTER (total IS NULL AND total_text IS NOT NULL)
  + count(*) FILTER (alta IS NULL AND alta_text IS NOT NULL) + count(*) FILTER (entrega IS NULL AND entrega_text IS NOT NULL)
  + count(*) FILTER (activo IS NULL AND activo_text IS NOT NULL)
  -- required and unique
  + count(*) FILTER (id_text IS NULL) + count(*) FILTER (sku IS NULL) + count(*) FILTER (precio_text IS NULL)
  + count(*) FILTER (alta_text IS NULL) + count(id) - count(DISTINCT id)
  -- rules
  + count(*) FILTER (sku IS NOT NULL AND NOT regexp_full_match(sku, '[A-Z]{3}-[0-9]{6}'))
  + count(*) FILTER (NOT cantidad BETWEEN 1 AND 20) + count(*) FILTER (NOT precio > 0)
  + count(*) FILTER (NOT year(alta) BETWEEN 2020 AND 2025) + count(*) FILTER (estado NOT IN ('N', 'P', 'C'))
  + count(*) FILTER (NOT coalesce(entrega > alta, false))
  + count(*) FILTER (NOT coalesce(abs(total - abs(cantidad * precio)) < 0.02, false))
FROM typed

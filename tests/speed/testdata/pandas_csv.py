"""pandas_csv.py FILE: the published speed workload, checked with pandas.

The same types, required and unique fields and rules, each vectorised; nothing is
reported but the counts. Cells are read as text, so that a bad one is one error.
"""
import json
import sys

import pandas as pd

df = pd.read_csv(sys.argv[1], dtype=str, keep_default_na=False, na_values=[""])
errors = 0
for name in ("id", "cantidad", "precio", "total"):
    text, df[name] = df[name], pd.to_numeric(df[name], errors="coerce")
    errors += int((df[name].isna() & text.notna()).sum())
for name in ("alta", "entrega"):
    text, df[name] = df[name], pd.to_datetime(df[name], errors="coerce", format="%Y-%m-%d")
    errors += int((df[name].isna() & text.notna()).sum())
errors += int((~df["activo"].str.lower().isin(["true", "false", "1", "0"]) & df["activo"].notna()).sum())
for name in ("id", "sku", "precio", "alta"):
    errors += int(df[name].isna().sum())
errors += int((df["id"].duplicated() & df["id"].notna()).sum())
for name, rule in {
    "sku": df["sku"].str.match("^[A-Z]{3}-[0-9]{6}$").fillna(False).astype(bool),
    "cantidad": df["cantidad"].between(1, 20),
    "precio": df["precio"].astype(float) > 0,
    "alta": pd.to_datetime(df["alta"]).dt.year.between(2020, 2025),
    "estado": df["estado"].isin(["N", "P", "C"]),
}.items():
    errors += int((~rule & df[name].notna()).sum())
errors += int((~(pd.to_datetime(df["entrega"]) > pd.to_datetime(df["alta"]))).sum())
errors += int((~(abs(df["total"] - abs(df["cantidad"] * df["precio"])) < 0.02)).sum())
errors += 0 if len(df.columns) == 10 else 1
print(json.dumps({"records": len(df), "errors": errors}))

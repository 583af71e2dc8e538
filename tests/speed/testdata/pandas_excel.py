"""pandas_excel.py FILE: reads the first sheet with pandas, and checks nothing."""
import json
import sys

import pandas as pd

print(json.dumps({"records": len(pd.read_excel(sys.argv[1])), "errors": 0}))

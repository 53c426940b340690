"""The general search: filters, orders and pages as the contract has them, over any entity of `store/read/entities`.

>>> found = await search(reader, USER_TASKS, Search(filter={"assignee": "ada"}, sort=[{"field": "priority", "order": "DESC"}]))
>>> found.total, [item["name"] for item in found.items]

`fields` declares what an entity offers, `filters` reads what is asked, `statements` makes the SQL, `search` carries it out, and
`items` reads what a page shows.
"""

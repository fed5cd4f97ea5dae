"""The monitoring web app: what runs make, who makes it, how good it is, and what people think of it.

Everything is read from the datasets themselves and from what their workers write beside them; a Prefect server adds states
and links where there is one. `watching` looks at runs again and again, `rows` keeps the few columns of their rows that
pages ask for, `pages` shows them, `rating` asks people.
"""

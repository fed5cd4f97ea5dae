"""The monitoring web app: what runs make, who makes it, how good it is, and what people think of it.

Everything is read from the datasets themselves and from what their workers write beside them; a Prefect server adds states
and links where there is one. `watching` knows runs as they are now, `rows` the few columns of their rows that pages ask for;
`progress`, `alarms`, `pictures`, `quality`, `diversity` and `training` say what that means; `rating` asks people;
`pages` shows it all.
"""

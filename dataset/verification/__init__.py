"""Is a dataset what it promises?"""

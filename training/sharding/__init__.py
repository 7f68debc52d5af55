"""Recordings as WebDataset shards, on disk or in object storage, and back.

=========  ========================================================================================
sources    the recordings of a folder or of a place in object storage
samples    a recording's arrays as samples of ten seconds, and back
manifest   what a set of shards says of itself, and who gets which of them
store      files at an fsspec URL, written whole or not at all
writing    recordings to shards, one after another or many at once, resumable
reading    shards to the cache that training reads
cluster    the same work spread over a Ray cluster
=========  ========================================================================================
"""

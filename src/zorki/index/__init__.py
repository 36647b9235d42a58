"""Indexes of vectors: one small interface over files of our own, faiss, LanceDB and Milvus; they know no network."""

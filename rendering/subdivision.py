"""Loop subdivision of closed triangle meshes as matrices: fine vertices are fixed combinations of coarse ones.

Source: C. Loop, "Smooth Subdivision Surfaces Based on Triangles" (1987), with Warren's weights 3/(8n); 3/16 for n = 3.
"""

import numpy as np
from jaxtyping import Int
from scipy import sparse


def loop_subdivision(
    faces: Int[np.ndarray, "f 3"], vertices: int, levels: int
) -> tuple[sparse.csr_matrix, Int[np.ndarray, "m 3"]]:
    """The (fine, coarse) matrix and fine faces. Coarse vertex i stays i; face k becomes 4**levels faces in a row.

    Raises:
        ValueError: an edge does not belong to exactly two faces.
    """
    matrix = sparse.identity(vertices, format="csr")
    for _ in range(levels):
        step, faces = _one_level(faces, matrix.shape[0])
        matrix = (step @ matrix).tocsr()
    return matrix, faces


def _one_level(faces: Int[np.ndarray, "f 3"], count: int) -> tuple[sparse.csr_matrix, Int[np.ndarray, "m 3"]]:
    half_edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    edges, edge_of = np.unique(np.sort(half_edges, axis=1), axis=0, return_inverse=True)
    edge_of = edge_of.reshape(-1, 3)
    if not (np.bincount(edge_of.ravel(), minlength=len(edges)) == 2).all():
        raise ValueError("Loop subdivision needs a closed surface: every edge between exactly two faces")
    a, b, c = (count + edge_of).T
    i, j, k = faces.T
    fine = np.stack([i, a, c, a, j, b, c, b, k, a, b, c], axis=1).reshape(-1, 3)
    return sparse.vstack([_vertex_rule(edges, count), _edge_rule(edges, edge_of, faces, count)]).tocsr(), fine


def _vertex_rule(edges: Int[np.ndarray, "e 2"], count: int) -> sparse.csr_matrix:
    """Old vertices move to 1 - n·β of themselves and β of each of their n neighbours."""
    valence = np.bincount(edges.ravel(), minlength=count)
    beta = np.where(valence == 3, 3 / 16, 3 / (8 * valence.clip(1)))
    rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
    return sparse.csr_matrix((beta[rows], (rows, columns)), (count, count)) + sparse.diags(1 - valence * beta)


def _edge_rule(
    edges: Int[np.ndarray, "e 2"], edge_of: Int[np.ndarray, "f 3"], faces: Int[np.ndarray, "f 3"], count: int
) -> sparse.csr_matrix:
    """New vertices: 3/8 of both ends and 1/8 of both opposite corners."""
    ends = np.repeat(np.arange(len(edges)), 2)
    opposite = faces[:, [2, 0, 1]]
    rows = np.concatenate([ends, edge_of.ravel()])
    columns = np.concatenate([edges.ravel(), opposite.ravel()])
    values = np.repeat([3 / 8, 1 / 8], [len(ends), edge_of.size])
    return sparse.csr_matrix((values, (rows, columns)), (len(edges), count))

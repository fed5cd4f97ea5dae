"""The parts of TransHand's decoder: perceptrons, attention within a hand and with the image, and between both hands.

The paper draws boxes (Fig. 8: two Transformer encoders a block and a lateral connection); what is inside them follows the
authors' release: attention is pre-norm with a hidden part as wide as its tokens, ReLU throughout. The release's perceptrons
before each block are not in the figure.
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

LayerNorm = partial(nn.LayerNorm, eps=1e-6)


class Perceptrons(nn.Module):
    """Residual perceptrons, each node by itself; the first changes the width, a ReLU lies between two."""

    def __init__(self, width: int, out: int, count: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Perceptron(out if row else width, out, dropout) for row in range(count))

    def forward(self, tokens: Float[Tensor, "b n c"]) -> Float[Tensor, "b n o"]:
        """New tokens."""
        for row, layer in enumerate(self.layers):
            tokens = layer(tokens.relu() if row else tokens)
        return tokens


class Perceptron(nn.Module):
    """LayerNorm(f(x) + shortcut(x)), f being twice LayerNorm, ReLU, Linear."""

    def __init__(self, width: int, out: int, dropout: float) -> None:
        super().__init__()
        self.change = nn.Sequential(
            LayerNorm(width), nn.ReLU(), nn.Linear(width, out), LayerNorm(out), nn.ReLU(), nn.Linear(out, out)
        )
        self.dropout = nn.Dropout(dropout)
        self.shortcut = nn.Linear(width, out)
        self.norm = LayerNorm(out)

    def forward(self, tokens: Float[Tensor, "b n c"]) -> Float[Tensor, "b n o"]:
        """One layer."""
        return self.norm(self.dropout(self.change(tokens)) + self.shortcut(tokens))


class FeedForward(nn.Module):
    """x + f(LayerNorm(x)) with a hidden part as wide as the tokens."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.change = nn.Sequential(
            LayerNorm(width),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        """The same tokens, enhanced."""
        return tokens + self.change(tokens)


class Encoder(nn.Module):
    """A pre-norm Transformer encoder of one layer."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.share = heads, dropout
        self.norm = LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width)
        self.tell = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.finish = FeedForward(width, dropout)

    def forward(self, tokens: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        """Each token has heard all."""
        query, key, value = self.ask(self.norm(tokens)).chunk(3, dim=-1)
        heard = attention(query, key, value, self.heads, self.share if self.training else 0.0)
        return self.finish(tokens + self.dropout(self.tell(heard)))


class ImageExchange(nn.Module):
    """A hand's nodes and g × g pieces of a map attend to each other; the nodes go on."""

    def __init__(self, channels: int, step: int, grid: int, width: int, heads: int, dropout: float) -> None:
        """Set up.

        Args:
            channels: of the map.
            step: side of a piece, in entries of the map.
            grid: pieces in a row (g).
            width: of the nodes' tokens and of the pieces'.
            heads: of both attentions.
            dropout: of both.
        """
        super().__init__()
        self.grid = grid
        self.cut = nn.Conv2d(channels, width, step, stride=step)
        self.place = nn.Parameter(torch.empty(grid * grid, width))
        self.alone = Encoder(width, heads, dropout)
        self.enter = nn.Linear(width, width)
        self.together = Encoder(width, heads, dropout)

    def pieces(self) -> Float[Tensor, "p 2"]:
        """Where the pieces' centres are in the image, which is [−1, 1]²: x and y, row by row."""
        centres = (torch.arange(self.grid) + 0.5) * 2 / self.grid - 1
        return torch.cartesian_prod(centres, centres).flip(1)

    def forward(self, nodes: Float[Tensor, "b n c"], map_: Float[Tensor, "b d h h"]) -> Float[Tensor, "b n c"]:
        """The nodes' tokens, enhanced."""
        pieces = self.cut(map_).relu().flatten(2).transpose(1, 2)
        pieces = self.enter(self.alone(pieces + self.place))
        return self.together(torch.cat([nodes, pieces], dim=1))[:, : nodes.shape[1]]


class Correlation(nn.Module):
    """The correlation encoder: each hand by itself, then both with what the other knows (RenderIH §4, Fig. 8).

    The lateral connection adds the other hand's tokens node by node. A hand then looks for what to hear with queries and keys
    of its own such sum, and hears the other hand's values.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.share = heads, dropout
        self.alone = nn.ModuleList(Encoder(width, heads, dropout) for _ in range(2))
        self.norm = nn.ModuleList(LayerNorm(width) for _ in range(2))
        self.ask = nn.Linear(width, 2 * width)
        self.value = nn.Linear(width, width)
        self.tell = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.finish = nn.ModuleList(FeedForward(width, dropout) for _ in range(2))

    def forward(
        self, right: Float[Tensor, "b n c"], left: Float[Tensor, "b n c"]
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b n c"]]:
        """Both hands' tokens, enhanced."""
        hands = [encode(hand) for encode, hand in zip(self.alone, (right, left), strict=True)]
        lateral = [norm(hands[0] + hands[1]) for norm in self.norm]
        values = [self.value(hand) for hand in reversed(lateral)]
        heard = [self._heard(hand, other) for hand, other in zip(lateral, values, strict=True)]
        right, left = (finish(hand + more) for finish, hand, more in zip(self.finish, hands, heard, strict=True))
        return right, left

    def _heard(self, hand: Float[Tensor, "b n c"], values: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        query, key = self.ask(hand).chunk(2, dim=-1)
        told = attention(query, key, values, self.heads, self.share if self.training else 0.0)
        return self.dropout(self.tell(told))


def attention(
    query: Float[Tensor, "b n c"],
    key: Float[Tensor, "b m c"],
    value: Float[Tensor, "b m c"],
    heads: int,
    dropout: float = 0.0,
) -> Float[Tensor, "b n c"]:
    """Scaled dot-product attention of several heads, each on its share of the numbers."""
    parts = (tokens.unflatten(-1, (heads, -1)).transpose(1, 2) for tokens in (query, key, value))
    heard = nn.functional.scaled_dot_product_attention(*parts, dropout_p=dropout)
    return heard.transpose(1, 2).flatten(2)

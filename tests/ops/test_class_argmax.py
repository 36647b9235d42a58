import pytest
import torch

from zorki.ops.class_argmax import class_argmax


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_first_of_the_largest(dtype):
    maps = torch.randint(0, 4, (5, 30, 40), generator=torch.Generator().manual_seed(0)).to(dtype)  # many are equal
    found = class_argmax(maps)
    for row in range(30):
        for column in range(40):
            values = maps[:, row, column].tolist()
            assert int(found[row, column]) == values.index(max(values))

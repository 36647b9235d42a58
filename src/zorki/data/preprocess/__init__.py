"""From images of any size to one batch of network inputs, and back: small picklable values.

A model holds one of them, it is saved with the weights, and training, evaluation, prediction and export all use it.
Images stay uint8 RGB; networks normalize themselves. Resizing is bilinear with anti-aliasing, the triangle filter of
PIL and torchvision, by torch's uint8 kernel: a quarter of PIL's time on the same pixels.
"""

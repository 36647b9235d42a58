"""Drawing: images on tensors, figures as inline SVG, and the HTML report. Knows tensors, numbers and text only."""

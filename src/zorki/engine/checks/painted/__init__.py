"""Objects and joints that are painted into images, and looked for where their targets say after augmentation."""

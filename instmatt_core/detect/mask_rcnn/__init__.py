"""Mask R-CNN (He et al., ICCV 2017) with ResNet-50 and FPN, in plain torch; takes detectron2's weights."""

from .detector import MaskRcnn as MaskRcnn

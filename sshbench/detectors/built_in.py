"""The detectors that sshbench brings along."""

from __future__ import annotations

BUILT_IN = {
    "centerface": "sshbench.detectors.centerface:CenterFace",
    "cms-rcnn-shape": "sshbench.rivals.cms_rcnn:CmsRcnn",
    "dlib-hog": "sshbench.detectors.dlib_hog:DlibHog",
    "faceboxes": "sshbench.detectors.faceboxes:FaceBoxes",
    "faster-rcnn-vgg16": "sshbench.rivals.faster_rcnn:FasterRcnnVgg16",
    "haar": "sshbench.detectors.haar:HaarCascade",
    "hr-resnet101": "sshbench.rivals.hr:HrResnet101",
    "hr-resnet50": "sshbench.rivals.hr:HrResnet50",
    "hr-vgg16": "sshbench.rivals.hr:HrVgg16",
    "mtcnn": "sshbench.detectors.mtcnn:Mtcnn",
    "replay": "sshbench.detectors.replay:Replay",
    "retinaface-mnet025": "sshbench.detectors.retinaface:RetinaFaceMnet025",
    "s3fd": "sshbench.rivals.s3fd:S3fd",
    "s3fd-mobilenetv2": "sshbench.detectors.s3fd:S3fdMobileNetV2",
    "ssd-res10": "sshbench.detectors.ssd_res10:SsdRes10",
    "ssh": "sshbench.detectors.ssh:Ssh",
    "ssh-pyramid": "sshbench.detectors.ssh:SshPyramid",
    "ssh-tiny": "sshbench.detectors.ssh:SshTiny",
    "ultraface-rfb-320": "sshbench.detectors.ultraface:UltraFace320",
    "ultraface-rfb-640": "sshbench.detectors.ultraface:UltraFace640",
    "yoloface-500k": "sshbench.detectors.yoloface:YoloFace500k",
    "yunet": "sshbench.detectors.yunet:YuNet",
}
"""`module:Class` by name."""

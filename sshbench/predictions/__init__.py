"""Reading and writing files of detections, one module per format."""

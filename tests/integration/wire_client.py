"""A gRPC client made from the .proto files by protoc for Python: proof that the wire is not ours alone.

No gRPC plugin is needed: the methods are found through the descriptors and called by their paths.
"""
import glob
import importlib
import os
import subprocess
import sys

import grpc
from google.protobuf import descriptor_pb2, message_factory

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROTO = os.path.join(ROOT, "proto")


def generate(folder):
    """Compiles every .proto into `folder` and puts that on the path."""
    os.makedirs(folder, exist_ok=True)
    # grpc/ would hide the package of that name, so its protos are compiled under another one.
    for source in glob.glob(f"{PROTO}/grpc/**/*.proto", recursive=True):
        target = os.path.join(folder, "protos", "wire_" + os.path.relpath(source, PROTO).replace("/", "_"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(source, encoding="utf-8") as file, open(target, "w", encoding="utf-8") as out:
            out.write(file.read())
    flat = glob.glob(f"{folder}/protos/*.proto")
    subprocess.run(["protoc", f"-I{folder}/protos", f"--python_out={folder}", *flat], check=True)
    ours = glob.glob(f"{PROTO}/skein/v1/*.proto")
    subprocess.run(["protoc", f"-I{PROTO}", f"--python_out={folder}", *ours], check=True)
    if folder not in sys.path:
        sys.path.insert(0, folder)


def load(name):
    return importlib.import_module(name)


class Stub:
    """Every method of a service as an attribute."""

    def __init__(self, channel, service):
        described = descriptor_pb2.ServiceDescriptorProto()
        service.CopyToProto(described)
        streaming = {m.name: (m.client_streaming, m.server_streaming) for m in described.method}
        factory = message_factory.MessageFactory(service.file.pool)
        for method in service.methods:
            output = factory.GetPrototype(method.output_type)
            factory.GetPrototype(method.input_type)
            call = {(False, False): channel.unary_unary, (False, True): channel.unary_stream,
                    (True, False): channel.stream_unary, (True, True): channel.stream_stream}
            setattr(self, method.name, call[streaming[method.name]](
                f"/{service.full_name}/{method.name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=output.FromString))

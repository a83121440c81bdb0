"""A certificate authority for tests, made with the openssl command."""
import os
import subprocess


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


class Authority:
    def __init__(self, folder, name="ca"):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.cert = os.path.join(folder, f"{name}.crt")
        self.key = os.path.join(folder, f"{name}.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", self.key, "-out", self.cert, "-days", "2", "-subj", f"/CN=test {name}")

    def issue(self, name, file=None):
        """Writes FILE.crt and FILE.key for 127.0.0.1 and localhost; returns the two paths."""
        base = os.path.join(self.folder, file or name)
        request, extensions = base + ".csr", base + ".ext"
        with open(extensions, "w", encoding="ascii") as out:
            out.write(f"subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:{name}\n"
                      "extendedKeyUsage=serverAuth,clientAuth\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", base + ".key.new", "-out", request, "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key,
                "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", base + ".crt.new")
        os.replace(base + ".key.new", base + ".key")
        os.replace(base + ".crt.new", base + ".crt")
        return base + ".crt", base + ".key"

    def flags(self, name):
        cert, key = self.issue(name)
        return ["--tls-cert", cert, "--tls-key", key, "--tls-ca", self.cert]

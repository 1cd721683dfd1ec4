#!/bin/sh
# Runs in a machine that began as tiny-node, and makes the image tiny-extra of it. The name of the
# machine is its argument; a status that is not 0 fails the image.
set -eu
echo "setting up $1"
cat > /etc/rc.local <<'EOF'
#!/bin/sh
echo "this is tiny-extra"
EOF
chmod 0755 /etc/rc.local
sync
